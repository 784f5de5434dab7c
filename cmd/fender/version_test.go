package main

import (
	"bytes"
	"regexp"
	"runtime"
	"runtime/debug"
	"testing"
)

func TestTheStampComesBeforeWhatGoRecorded(t *testing.T) {
	recorded := &debug.BuildInfo{
		Main:     debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "cafe"}},
	}
	for _, test := range []struct {
		name              string
		version, revision string
		info              *debug.BuildInfo
		want              build
	}{
		{"stamped", "v2.0.0", "beef", recorded, build{"v2.0.0", "beef", runtime.Version()}},
		{"not stamped", "", "", recorded, build{"v1.2.3", "cafe", runtime.Version()}},
		{"nothing known", "", "", nil, build{"unknown", "unknown", runtime.Version()}},
		{"no version control", "", "", &debug.BuildInfo{}, build{"unknown", "unknown", runtime.Version()}},
	} {
		if got := buildOf(test.version, test.revision, test.info); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestVersionPrintsTheBuildAndThePlatform(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"version"}, &stdout, &stderr); code != exitOK {
		t.Fatalf("got exit code %d, want %d: %s", code, exitOK, &stderr)
	}
	want := regexp.MustCompile(`^fender \S+\nrevision \S+\ngo1\.\S+\n` + runtime.GOOS + "/" + runtime.GOARCH + "\n$")
	if got := stdout.String(); !want.MatchString(got) {
		t.Errorf("got %q, want %s", got, want)
	}
}
