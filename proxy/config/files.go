package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// maxFile bounds the files that a configuration names, in bytes.
const maxFile = 64 << 10

var errTooLarge = errors.New("larger than 64 KiB")

// requireFile checks the file that a key must name.
func (k *check) requireFile(s section, key, path string) {
	if s.require(key, path, "the path of a file") {
		k.checkFile(s, key, path)
	}
}

// checkFile reports a file that is named but can't be read, or has nothing in
// it, and returns whether there is nothing of that to say. What is in it is never
// shown.
func (k *check) checkFile(s section, key, path string) (ok bool) {
	if path == "" {
		return true
	}
	content, ok := k.readFile(s, key, path)
	if ok && len(bytes.TrimSpace(content)) == 0 {
		s.fault(key, "the file is empty", "")
		return false
	}
	return ok
}

// readFile returns a file's content. It is not ok if there is none, which is
// reported unless the document is checked without its secrets.
func (k *check) readFile(s section, key, path string) (content []byte, ok bool) {
	if path == "" {
		return nil, false
	}
	content, err := ReadFile(path)
	var pathError *fs.PathError
	switch {
	case err == nil:
		return content, true
	case errors.Is(err, fs.ErrNotExist) && k.options.NoSecrets:
		return nil, false
	case errors.Is(err, errTooLarge):
		s.fault(key, "the file is larger than 64 KiB", "")
	case errors.As(err, &pathError): // whose path may come from a variable
		s.fault(key, "can't read "+s.say(key)+": "+pathError.Err.Error(), "")
	default:
		s.fault(key, "can't read "+s.say(key), "")
	}
	return nil, false
}

// ReadFile reads a file that a configuration names: a regular one of at most 64
// KiB.
func ReadFile(path string) ([]byte, error) {
	// A device or pipe would never end, or never begin.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = errTooLarge
	}
	return content, err
}
