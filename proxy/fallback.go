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
)

// fallback is a route's answer in the upstream's stead.
type fallback struct {
	config   *config.Fallback
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
	if c.Fallback == nil {
		return nil, nil
	}
	f := &fallback{config: c.Fallback, header: http.Header{}, body: []byte(c.Fallback.Content())}
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

// covers reports whether the fallback is for this reason and method. A nil
// fallback is for none.
func (f *fallback) covers(reason policy.Reason, method string) bool {
	return f != nil && reason != "" && slices.Contains(f.config.Reasons, reason) && slices.Contains(f.config.Methods, method)
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
