package config

import (
	"bytes"
	"errors"
	"mime"
	"strings"
	"text/template"
)

// Content returns the body as it is configured, whether in the document or in a
// file. It is a text/template if it has "{{", which Load has tried out.
func (f *Fallback) Content() string { return f.content }

// Static reports whether there is an answer to give that is always the same.
func (f *Fallback) Static() bool { return f.content != "" || f.bodiless() }

// bodiless reports whether the answer has no body by its status (RFC 9110,
// 6.4.1).
func (f *Fallback) bodiless() bool { return f.Status == 204 || f.Status == 304 }

// isJSON reports whether the fallback's Content-Type is JSON (RFC 6839, 3.1).
func (f *Fallback) isJSON() bool {
	for name, value := range f.Headers {
		if strings.EqualFold(name, "Content-Type") {
			mediaType, _, err := mime.ParseMediaType(value)
			return err == nil && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"))
		}
	}
	return false
}

// sampleData is what a body's template may use, as a call would fill it in.
type sampleData struct {
	Route, Reason, Circuit, RequestID string
	RetryAfter                        int
	Params                            map[string]string
}

// renderSample renders a body as for a call to the route.
func renderSample(t *template.Template, route string, params []string) ([]byte, error) {
	data := sampleData{
		Route: route, Reason: "open", Circuit: "open", RequestID: "sample", RetryAfter: 1, Params: map[string]string{},
	}
	for _, name := range params {
		data.Params[name] = "sample"
	}
	var b bounded
	err := t.Execute(&b, data)
	return b.Bytes(), err
}

// maxRendered bounds a rendered body, in bytes.
const maxRendered = 1 << 20

// bounded is a buffer that takes no more than maxRendered bytes.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxRendered {
		return 0, errors.New("the body grows beyond 1 MiB")
	}
	return b.Buffer.Write(p)
}
