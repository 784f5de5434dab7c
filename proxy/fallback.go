package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"text/template"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy/config"
	"github.com/fender-proxy/fender/proxy/stale"
)

// fallback is a route's answer in the upstream's stead.
type fallback struct {
	config   *config.Fallback
	lastGood *stale.Store // nil if none are kept
	static   bool         // there is an answer that is always the same
	header   http.Header
	body     []byte
	template *template.Template // nil if the body is sent as it is
	json     bool
}

// fallbackData is what a body's template may use.
type fallbackData struct {
	Route, Reason, Circuit, RequestID string
	// RetryAfter is in seconds, 0 if it is not known when to ask again.
	RetryAfter int
	Params     map[string]string
}

// newFallback returns the fallback of a route, nil if it has none.
func newFallback(c *config.Route) (*fallback, error) {
	if c.Fallback == nil || c.Mode == policy.Passthrough {
		return nil, nil
	}
	f := &fallback{
		config: c.Fallback, header: http.Header{}, body: []byte(c.Fallback.Content()),
		lastGood: newLastGood(c), static: c.Fallback.Static(),
	}
	for name, value := range c.Fallback.Headers {
		f.header.Set(name, value)
	}
	if len(f.body) > 0 && f.header.Get("Content-Type") == "" {
		f.header.Set("Content-Type", guessContentType(f.body))
	}
	f.json = isJSON(f.header.Get("Content-Type"))
	if !bytes.Contains(f.body, []byte("{{")) {
		return f, nil
	}
	var err error
	f.template, err = template.New("fallback").Option("missingkey=error").Parse(string(f.body))
	return f, err
}

// guessContentType is for a fallback that does not say. A template is JSON only
// once it is filled in, so its beginning has to do.
func guessContentType(body []byte) string {
	if b := bytes.TrimSpace(body); json.Valid(b) || bytes.HasPrefix(b, []byte("{")) && !bytes.HasPrefix(b, []byte("{{")) {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// isJSON reports whether a media type is JSON (RFC 8259) or built on it.
func isJSON(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// fallbackSource says what an answer in the upstream's stead is.
type fallbackSource string

const (
	sourceStatic fallbackSource = "static"
	sourceStale  fallbackSource = "stale"
)

// labels returns all that can be counted of a fallback; a nil one counts
// nothing.
func (f *fallback) labels() []fallbackLabels {
	if f == nil {
		return nil
	}
	var all []fallbackLabels
	for _, reason := range f.config.Reasons {
		if f.static {
			all = append(all, fallbackLabels{reason, sourceStatic})
		}
		if f.lastGood != nil {
			all = append(all, fallbackLabels{reason, sourceStale})
		}
	}
	return all
}

// standIn is what a client gets in place of the upstream's answer: the last good
// answer if there is one, else the static fallback.
type standIn struct {
	lastGood *stale.Answer
	fallback *fallback
}

// standIn returns the stand-in for what became of the call, nil if there is
// none.
func (x *exchange) standIn() *standIn {
	f, reason := x.route.fallback, x.call.Reason
	if f == nil || reason == "" || !slices.Contains(f.config.Reasons, reason) {
		return nil
	}
	if answer := x.recall(); answer != nil {
		return &standIn{lastGood: answer}
	}
	if f.static && slices.Contains(f.config.Methods, x.request.Method) {
		return &standIn{fallback: f}
	}
	return nil
}

// keeps reports whether good answers to the method are kept.
func (f *fallback) keeps(method string) bool {
	return f != nil && f.lastGood != nil && slices.Contains(f.config.Stale.Methods, method)
}

// render returns the body for one call.
func (f *fallback) render(x *exchange, retryAfter int) ([]byte, error) {
	if f.template == nil {
		return f.body, nil
	}
	data := fallbackData{
		Route: x.routeName(), Reason: string(x.call.Reason), Circuit: string(x.call.Circuit),
		RequestID: x.requestID, RetryAfter: retryAfter, Params: x.found.Params(),
	}
	if f.json {
		for name, value := range data.Params {
			data.Params[name] = escapeJSON(value)
		}
	}
	var b bytes.Buffer
	if err := f.template.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("fallback body: %w", err)
	}
	return b.Bytes(), nil
}

// escapeJSON returns s as it stands between the quotes of a JSON string.
func escapeJSON(s string) string {
	quoted, _ := json.Marshal(s) // a string always can be
	return string(quoted[1 : len(quoted)-1])
}
