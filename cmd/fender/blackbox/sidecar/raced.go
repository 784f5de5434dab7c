package sidecar

// Raced reports whether the running test, and with it the binary, has the race detector, which makes everything several
// times slower: a test that makes load makes less of it then.
func Raced() bool { return raced() }
