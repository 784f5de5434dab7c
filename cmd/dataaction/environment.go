package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/fender-proxy/fender/cmd/dataaction/enrichment"
)

// defaultListen takes callers from this host only.
const defaultListen = "127.0.0.1:3000"

// maxTimeout is the longest that Genesys Cloud waits for a Data Action.
const maxTimeout = time.Minute

// An environment is what the process is told from outside.
type environment struct {
	listen       string
	crm, genesys *url.URL
	timeout      time.Duration
	token        string // empty: anybody is let in
}

// readEnvironment reads the variables. The error has a line for each that is
// wrong, which begins with its name and never shows the token.
func readEnvironment(lookup func(string) (string, bool)) (environment, error) {
	var problems []error
	note := func(name string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	value := func(name, otherwise string) string {
		if text, _ := lookup(name); text != "" {
			return text
		}
		return otherwise
	}
	base := func(name string) *url.URL {
		text := value(name, "")
		if text == "" {
			note(name, errors.New("is not set"))
			return nil
		}
		base, err := enrichment.ParseBaseURL(text)
		note(name, err)
		return base
	}
	e := environment{
		listen:  value("LISTEN", defaultListen),
		crm:     base("CRM_BASE_URL"),
		genesys: base("GENESYS_BASE_URL"),
	}
	var err error
	e.timeout, err = parseTimeout(value("TIMEOUT", enrichment.DefaultTimeout.String()))
	note("TIMEOUT", err)
	token, set := lookup("DATA_ACTION_TOKEN")
	if set {
		note("DATA_ACTION_TOKEN", checkToken(token))
	}
	e.token = token
	return e, errors.Join(problems...)
}

func parseTimeout(text string) (time.Duration, error) {
	timeout, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a duration (one is 5s)", text)
	case timeout <= 0 || timeout > maxTimeout:
		return 0, fmt.Errorf("%q is not between 0s and %s", text, maxTimeout)
	}
	return timeout, nil
}

// checkToken reports what no header could ever equal: a token that came with
// the newline of its file would lock everybody out.
func checkToken(token string) error {
	if token == "" {
		return errors.New("is set but empty (unset it to let anybody in)")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("must be printable ASCII without spaces")
	}
	return nil
}
