package blackbox_test

import (
	"strings"
	"testing"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestAcceptEncodingWhereRulesReadBodies(t *testing.T) {
	offers := []struct{ client, upstream string }{
		{"gzip", "gzip"},
		{"gzip, deflate, br, zstd", "gzip"},
		{"br;q=1.0, gzip;q=0.8", "gzip"},
		{"GZIP", "gzip"},
		{"", "identity"},
		{"br", "identity"},
		{"br, zstd", "identity"},
		{"identity", "identity"},
		{"gzip;q=0", "identity"},
		{"gzip;q=0.000, br", "identity"},
	}
	var scenes []scene
	for _, offer := range offers {
		scenes = append(scenes, scene{
			name:  "a client's offer of " + offer.client + " becomes " + offer.upstream,
			route: refusing,
			run: func(t *testing.T, s *stage) {
				s.get(t, encodings(offer.client)...)
				if got := strings.Join(s.arrived(t).Header.Values("Accept-Encoding"), " | "); got != offer.upstream {
					t.Errorf("got Accept-Encoding %q at the upstream, want %q", got, offer.upstream)
				}
			},
		})
		scenes = append(scenes, scene{
			name:  "a client's offer of " + offer.client + " goes as it came where no rule reads bodies",
			route: "classify: [{status: 200, content_type_not: text/plain, as: success}, {status: 418, as: failure}]",
			run: func(t *testing.T, s *stage) {
				s.get(t, encodings(offer.client)...)
				got, ok := s.arrived(t).Header["Accept-Encoding"]
				if strings.Join(got, " | ") != offer.client || ok != (offer.client != "") {
					t.Errorf("got Accept-Encoding %q at the upstream, want %q", got, offer.client)
				}
			},
		})
	}
	play(t, scenes)
}

// encodings is the field that offers them, if there are any.
func encodings(offer string) []string {
	if offer == "" {
		return nil
	}
	return []string{"Accept-Encoding: " + offer}
}

func TestZippedAnswersWhereRulesReadBodies(t *testing.T) {
	const fine = `{"success":true,"name":"Ada"}`
	play(t, []scene{
		{
			name:  "the client gets the bytes that upstream zipped",
			route: refusing,
			run: func(t *testing.T, s *stage) {
				zipped := zip(t, fine)
				s.up.Script(wire.Reply(200, zipped, "Content-Encoding: gzip", "ETag: \"e\"", "Vary: Accept-Encoding"))
				answer := s.get(t, "Accept-Encoding: gzip")
				expect(t, answer, expectation{status: 200, body: zipped, outcome: "upstream", attempts: 1})
				field(t, answer, "Content-Encoding", "gzip")
				field(t, answer, "ETag", `"e"`)
				field(t, answer, "Vary", "Accept-Encoding")
			},
		},
		{
			name:  "a zipped body that says no is a failure, also of an upstream that zips unasked",
			route: refusing + standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, zip(t, no), "Content-Encoding: gzip"))
				for _, fields := range [][]string{{"Accept-Encoding: gzip"}, nil} {
					answer := s.get(t, fields...)
					expect(t, answer, expectation{status: 200, body: substitute, outcome: "fallback", reason: "error", attempts: 1})
					field(t, answer, "Content-Encoding", "-")
				}
			},
		},
		{
			name:  "the names gzip and x-gzip mean the same, in any case",
			route: refusing + standIn,
			run: func(t *testing.T, s *stage) {
				for _, name := range []string{"x-gzip", "GZip"} {
					s.up.Script(wire.Reply(200, zip(t, no), "Content-Encoding: "+name))
					expect(t, s.get(t, "Accept-Encoding: gzip"), expectation{status: 200, body: substitute, outcome: "fallback", reason: "error", attempts: 1})
				}
			},
		},
		{
			name:  "what cannot be unzipped matches no text and passes as it came",
			route: refusing + standIn,
			run: func(t *testing.T, s *stage) {
				zipped := zip(t, strings.Repeat(no, 10))
				for _, body := range []string{"not zipped at all: " + random(50), zipped[:8], ""} {
					s.up.Script(wire.Reply(200, body, "Content-Encoding: gzip"))
					expect(t, s.get(t, "Accept-Encoding: gzip"), expectation{status: 200, body: body, outcome: "upstream", attempts: 1})
				}
				s.up.Script(wire.Reply(200, no, "Content-Encoding: br"))
				answer := s.get(t, "Accept-Encoding: br")
				field(t, answer, "Content-Encoding", "br")
			},
		},
		{
			name:  "a body that unzips to very much is read no further than a rule reads",
			route: refusing + standIn,
			run: func(t *testing.T, s *stage) {
				zipped := zip(t, strings.Repeat("x", 32<<20)+no)
				s.up.Script(wire.Reply(200, zipped, "Content-Encoding: gzip"))
				expect(t, s.get(t, "Accept-Encoding: gzip"), expectation{status: 200, body: zipped, outcome: "upstream", attempts: 1})
			},
		},
		{
			name:  "an answer without a body matches no text",
			route: refusing + standIn,
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(204, ""), wire.Reply(304, ""), wire.Reply(200, no))
				expect(t, s.get(t), expectation{status: 204, outcome: "upstream", attempts: 1})
				expect(t, s.get(t), expectation{status: 304, outcome: "upstream", attempts: 1})
				expect(t, s.do(t, "HEAD", ""), expectation{status: 200, outcome: "upstream", attempts: 1})
			},
		},
	})
}
