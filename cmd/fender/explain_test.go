package main

import (
	"strings"
	"testing"
)

func TestExplainShowsTheRouteAndWhereItsValuesComeFrom(t *testing.T) {
	file := write(t, minimal)
	for _, target := range []string{"/v1/customers/42", "/v1/customers/42?full=1", "http://localhost:8080/v1/customers/42"} {
		code, stdout, stderr := fender(t, "explain", "--config", file, "GET", target)
		if code != exitOK || stderr != "" {
			t.Fatalf("%s: got exit code %d, stderr %q", target, code, stderr)
		}
		if want := "route     customer /v1/customers/{id}\nupstream  crm http://127.0.0.1:9\n" +
			"shared    no concurrency limit; no rate limit; retries for 0.2 of the calls and 0.3 a second\n\nPATH "; !strings.HasPrefix(stdout, want) {
			t.Errorf("%s: got %q, want it to begin with %q", target, stdout, want)
		}
		var found bool
		for line := range strings.Lines(stdout) {
			if columns := strings.Fields(line); len(columns) > 2 && columns[0] == "timeout.request" {
				found = columns[1] == "route" && columns[2] == "2s"
			}
		}
		if !found {
			t.Errorf("%s: got %s\nwant timeout.request, route, 2s", target, stdout)
		}
	}
}

func TestExplainShowsWhatTheUpstreamsRoutesShare(t *testing.T) {
	file := write(t, strings.Replace(minimal, "http://127.0.0.1:9", "http://127.0.0.1:9, retry_budget: null, "+
		"rate_limit: {requests: 4, interval: 2s}, concurrency: {max_requests: 8, max_pending: 1}", 1))
	_, stdout, stderr := fender(t, "explain", "--config", file, "GET", "/v1/customers/42")
	if want := "\nshared    8 in flight and 1 pending; 4 requests per 2s, 4 at once; no retry budget\n"; !strings.Contains(stdout, want) {
		t.Errorf("got %q, %q, want %q in it", stdout, stderr, want)
	}
}

func TestExplainSaysWhyNoRouteTakesARequest(t *testing.T) {
	file := write(t, minimal)
	for _, test := range []struct{ method, target, want string }{
		{"GET", "/v2/customers", "404: no route takes this request"},
		{"POST", "/v1/customers/42", "405: no route for this path takes POST"},
		{"TRACE", "/v1/customers/42", "405: TRACE is never proxied"},
		{"GET", "/v1/../customers/42", "400: "},
	} {
		code, stdout, stderr := fender(t, "explain", "--config", file, test.method, test.target)
		want := "fender: " + test.method + " " + test.target + ": " + test.want
		if code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, want) {
			t.Errorf("%s %s: got exit code %d, stdout %q, stderr %q, want %d and %q", test.method, test.target, code, stdout, stderr, exitFailed, want)
		}
	}
}
