package policy

import (
	"bytes"
	"compress/gzip"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	// ruleText is how much of an answer's text the rules look at, in bytes.
	ruleText = 64 << 10
	// longest503 is how long the hint of a 503 is believed: unlike a 429 it is
	// often a constant that somebody put in front of a server that is down.
	longest503 = time.Minute
)

// ReadsBodies reports whether a rule looks into the answers' bodies.
func (p *Policy) ReadsBodies() bool {
	return slices.ContainsFunc(p.Classify, func(r Rule) bool { return r.Contains != "" })
}

// classify says what an answer means, of which held is what has been read of
// the body.
func (t *Transport) classify(call *Call, resp *http.Response, held []byte) attempt {
	status := resp.StatusCode
	a := attempt{resp: resp, class: Success, result: statusResult(status), scope: t.Policy.Throttling().Scope}
	hint, hinted := ParseHints(resp.Header, t.Policy.Throttling().Hints, time.Now())
	a.hint, a.gateTime = hint, hint
	if status == http.StatusServiceUnavailable {
		a.gateTime = min(hint, longest503)
	}
	rule := t.rule(resp, held)
	switch {
	case rule != nil:
		a.rule(rule)
	case t.throttles(status, hinted):
		a.throttled()
	case status == http.StatusUnauthorized && call.Injected:
		a.class, a.reason = Failure, ReasonUnauthorized
	case containsStatus(t.Policy.FailureOn(), status):
		a.class, a.reason = Failure, ReasonError
	}
	return a
}

func (a *attempt) throttled() {
	a.class, a.reason, a.result = Throttled, ReasonThrottled, ResultThrottled
}

// rule gives the attempt the class that a rule says.
func (a *attempt) rule(r *Rule) {
	switch r.As {
	case AsFailure:
		a.class, a.reason, a.on = Failure, ReasonError, OnFailure
	case AsThrottled:
		a.throttled()
		if r.Wait > 0 {
			a.hint, a.gateTime = r.Wait, r.Wait
		}
		if r.Scope != "" {
			a.scope = r.Scope
		}
	case AsSuccess:
		a.fine = true
	}
}

// throttles reports whether an answer means "slow down". A 503 does so only if
// it says for how long: without that it is an upstream that is down.
func (t *Transport) throttles(status int, hinted bool) bool {
	switch status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
		return hinted && containsStatus(t.Policy.Throttling().Statuses, status)
	}
	return containsStatus(t.Policy.Throttling().Statuses, status)
}

// rule returns the first rule that matches an answer, or nil.
func (t *Transport) rule(resp *http.Response, held []byte) *Rule {
	var text []byte
	read := false
	for i := range t.Policy.Classify {
		r := &t.Policy.Classify[i]
		if !r.matchesHead(resp) {
			continue
		}
		if r.Contains == "" {
			return r
		}
		if !read {
			text, read = plainText(resp.Header, held), true
		}
		if bytes.Contains(text, []byte(r.Contains)) {
			return r
		}
	}
	return nil
}

// matchesHead reports whether an answer's status and type are the rule's. An
// answer without content, such as a 202, has no type that could be wrong.
func (r *Rule) matchesHead(resp *http.Response) bool {
	if r.Status != (StatusRange{}) && !r.Status.Contains(resp.StatusCode) {
		return false
	}
	if r.ContentTypeNot == "" {
		return true
	}
	if resp.ContentLength == 0 || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
		return false
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return !strings.EqualFold(media, r.ContentTypeNot)
}

// plainText returns the beginning of a body as text that can be searched. Of a
// coding that was not offered it knows nothing.
func plainText(h http.Header, held []byte) []byte {
	switch strings.ToLower(h.Get("Content-Encoding")) {
	case "", "identity":
		return held[:min(len(held), ruleText)]
	case "gzip", "x-gzip":
		unzipped, err := gzip.NewReader(bytes.NewReader(held))
		if err != nil {
			return nil
		}
		text, _ := io.ReadAll(io.LimitReader(unzipped, ruleText)) // an error ends it, at the end of what is held for one
		return text
	}
	return nil
}
