package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

func TestALineIsJSONOrTextWithAnRFC3339Time(t *testing.T) {
	var log bytes.Buffer
	newLogger(&log, config.Log{Level: "info", Format: "json"}).Info("hello", "route", "customer")
	var line struct{ Time, Level, Msg, Route string }
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.RFC3339, line.Time); err != nil {
		t.Error(err)
	}
	if line.Level != "INFO" || line.Msg != "hello" || line.Route != "customer" {
		t.Errorf("got %+v", line)
	}

	log.Reset()
	newLogger(&log, config.Log{Level: "info", Format: "text"}).Info("hello", "route", "customer")
	stamp, rest, _ := strings.Cut(strings.TrimPrefix(log.String(), "time="), " ")
	if _, err := time.Parse(time.RFC3339, stamp); err != nil {
		t.Error(err)
	}
	if want := "level=INFO msg=hello route=customer\n"; rest != want {
		t.Errorf("got %q, want %q", rest, want)
	}
}

func TestALineBelowTheLevelIsNotWritten(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "info": 3, "warn": 2, "error": 1} {
		var log bytes.Buffer
		logger := newLogger(&log, config.Log{Level: level, Format: "text"})
		logger.Debug("1")
		logger.Info("2")
		logger.Warn("3")
		logger.Error("4")
		if got := strings.Count(log.String(), "\n"); got != want {
			t.Errorf("level %s: got %d lines, want %d", level, got, want)
		}
	}
}

// Garbage is nothing that an operator can mend, and anybody can send it.
func TestGarbageFromAClientIsLoggedForDebuggingOnly(t *testing.T) {
	for _, test := range []struct{ message, want string }{
		{"http: TLS handshake error from 127.0.0.1:1: EOF", "DEBUG"},
		{"http: superfluous response.WriteHeader call", "DEBUG"},
		{"http: panic serving 127.0.0.1:1: oh", "ERROR"},
		{"http: Accept error: accept tcp: too many open files; retrying in 5ms", "ERROR"},
	} {
		var log bytes.Buffer
		logger := newLogger(&log, config.Log{Level: "debug", Format: "text"})
		newServerLog(logger, "proxy").Print(test.message)
		if got := log.String(); !strings.Contains(got, "level="+test.want+" ") || !strings.Contains(got, "server=proxy") {
			t.Errorf("%q: got %s, want level %s", test.message, got, test.want)
		}
	}
}
