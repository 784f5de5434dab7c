package blackbox_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestNoPlaceIsLost(t *testing.T) {
	play(t, []scene{
		{
			name:  "after calls of every kind all places are free",
			route: "concurrency: {max_requests: 4, max_pending: 200}\nbuffer: 1KiB\ntimeout: {stream_idle: 300ms}\n" + quick,
			run: func(t *testing.T, s *stage) {
				s.up.Script(byPath)
				mixed(s)
				s.sum(t, 0, "fender_requests_in_flight")
				s.pending(t, 0)
				before := s.up.Count()
				answers, release := s.occupy(t, 4)
				late := s.begin("")
				s.pending(t, 1)
				if got := s.up.Count() - before; got != 4 {
					t.Errorf("got %d calls at the upstream, want 4", got)
				}
				release()
				allFine(t, answers, 4)
				allFine(t, late, 1)
			},
		},
	})
}

// byPath answers as the last piece of the path says.
func byPath(x *wire.Exchange) {
	kinds := map[string]wire.Answer{
		"broken":  wire.Reply(500, "broken"),
		"down":    wire.Reply(503, "down"),
		"silent":  wire.Silent(),
		"lost":    wire.Reset(""),
		"cut":     wire.Raw(wire.Head(200, "Content-Length: 9") + "half"),
		"stalled": wire.Then(wire.Head(200, "Content-Length: 9000") + "half"),
		"big":     wire.Reply(200, strings.Repeat("x", 64<<10)),
	}
	kind := x.Request.Target[strings.LastIndexByte(x.Request.Target, '/')+1:]
	if answer, ok := kinds[kind]; ok {
		answer(x)
		return
	}
	wire.Reply(200, "fine")(x)
}

// mixed makes two hundred calls at once that end in all ways, and returns when they have.
func mixed(s *stage) {
	var calls sync.WaitGroup
	for i := range 200 {
		kinds := []string{"fine", "broken", "down", "silent", "lost", "cut", "stalled", "big", "left", "gone"}
		kind := kinds[i%len(kinds)]
		calls.Go(func() {
			client, err := wire.Connect(s.Proxy)
			if err != nil {
				return
			}
			defer client.Close()
			path := s.path + "/" + kind
			if kind == "left" || kind == "gone" {
				path = s.path + "/silent"
			}
			client.Send(wire.Compose("GET", path, "", "Fender-Timeout-Ms: 800"))
			switch kind {
			case "left":
				<-time.After(time.Duration(i) * time.Millisecond)
			case "gone":
				client.Abort()
			default:
				client.Next("GET")
			}
		})
	}
	calls.Wait()
}
