package sidecar

import (
	"testing"
	"time"
)

// patience bounds every wait of the suites. No case depends on its value.
const patience = 20 * time.Second

// Await returns once the condition holds and fails the test if it does not come to. What says what is awaited.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if !Eventually(holds) {
		t.Fatalf("gave up waiting until %s", what)
	}
}

// Eventually reports whether the condition comes to hold.
func Eventually(holds func() bool) bool {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for pause := time.Millisecond; !holds(); pause = min(2*pause, 50*time.Millisecond) {
		select {
		case <-limit.C:
			return holds()
		case <-time.After(pause):
		}
	}
	return true
}
