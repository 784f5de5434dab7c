package proxy

import (
	"net/http"
	"testing"
)

// What a HEAD says of the length is the upstream's word: that there is no body
// does not make it zero (RFC 9110, 8.6).
func TestALastGoodAnswerToHEADSaysNoLengthOfItsOwn(t *testing.T) {
	for name, tt := range map[string]struct {
		header []string
		want   string
	}{
		"where the upstream said none": {nil, ""},
		"where the upstream said one":  {[]string{"Content-Length", "42"}, "42"},
	} {
		t.Run(name, func(t *testing.T) {
			answers := []func(*http.Request) (*http.Response, error){says(200, "", tt.header...), says(503, "down")}
			r := newRig(t, "routes: [{name: r, upstream: a, fallback: {stale: {max_age: 1m}}}]", func(req *http.Request) (*http.Response, error) {
				next := answers[0]
				answers = answers[1:]
				return next(req)
			})
			for range 2 {
				resp := r.do(t.Context(), http.MethodHead, "/x", "")
				checkHeader(t, resp.Header, map[string]string{"Content-Length": tt.want})
				resp.Body.Close()
			}
		})
	}
}
