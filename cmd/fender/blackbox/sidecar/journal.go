package sidecar

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
)

// A Line is one line of the log, as JSON gave it.
type Line map[string]any

// Text is the value of a key as text, and "" where there is none.
func (l Line) Text(key string) string {
	value, ok := l[key]
	if !ok {
		return ""
	}
	return fmt.Sprint(value)
}

// A journal keeps what a process wrote to stderr. It is safe for concurrent use.
type journal struct {
	mu    sync.Mutex
	raw   []string
	lines []Line
}

// read keeps every line until r ends.
func (j *journal) read(r io.Reader) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		j.add(scanner.Text())
	}
}

func (j *journal) add(text string) {
	line := Line{}
	if json.Unmarshal([]byte(text), &line) != nil {
		line = nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.raw = append(j.raw, text)
	if line != nil {
		j.lines = append(j.lines, line)
	}
}

// find returns the lines whose keys have these values: a key and its text in turn.
func (j *journal) find(pairs ...string) []Line {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []Line
	for _, line := range j.lines {
		if line.has(pairs) {
			found = append(found, line)
		}
	}
	return found
}

func (l Line) has(pairs []string) bool {
	for i := 0; i+1 < len(pairs); i += 2 {
		if l.Text(pairs[i]) != pairs[i+1] {
			return false
		}
	}
	return true
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.raw, "\n")
}

// faults returns the lines that no healthy process writes.
func (j *journal) faults() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var faults []string
	for _, text := range j.raw {
		if faulty(text) {
			faults = append(faults, text)
		}
	}
	return faults
}

func faulty(text string) bool {
	if strings.HasPrefix(text, "fender: ") {
		return false // why the process ended, which its exit code says too
	}
	line := Line{}
	if json.Unmarshal([]byte(text), &line) != nil {
		return true // the log is JSON throughout; anything else is the runtime's, or a library's own logger
	}
	return line.Text("level") == "ERROR" || strings.Contains(text, "panic") || strings.Contains(text, "DATA RACE")
}
