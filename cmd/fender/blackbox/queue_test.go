package blackbox_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

func TestTheQueue(t *testing.T) {
	play(t, []scene{
		{
			name:  "callers wait for a place in the order in which they came, and one too many is refused at once",
			route: "concurrency: {max_requests: 1, max_pending: 3}",
			run: func(t *testing.T, s *stage) {
				answers, release := s.occupy(t, 1)
				var waiting []<-chan *wire.Response
				for i := range 3 {
					waiting = append(waiting, s.begin(fmt.Sprintf("/%d", i)))
					s.pending(t, float64(i+1))
				}
				answer := s.get(t)
				expect(t, answer, refused)
				atOnce(t, answer)
				s.expectCount(t, 1)
				release()
				allFine(t, answers, 1)
				for i, w := range waiting {
					allFine(t, w, 1)
					if got := s.request(t, i+1).Target; !strings.HasSuffix(got, "/"+strconv.Itoa(i)) {
						t.Errorf("got %s as request %d, want the caller who came then", got, i+1)
					}
				}
				s.pending(t, 0)
				s.expectCount(t, 4)
				if most := s.overlap(); most != 1 {
					t.Errorf("got %d calls at a time, want 1", most)
				}
			},
		},
		{
			name:  "a caller whose deadline comes is answered before it",
			route: "concurrency: {max_requests: 1, max_pending: 1}\n" + tripping,
			run: func(t *testing.T, s *stage) {
				answers, release := s.occupy(t, 1)
				answer := s.get(t, "Fender-Timeout-Ms: 600", "X-Request-Id: waited")
				want := refused
				want.circuit = "closed"
				expect(t, answer, want)
				atLeast(t, "the answer", answer.Elapsed, 300*time.Millisecond)
				atOnce(t, answer)
				s.pending(t, 0)
				s.expectCount(t, 1)
				line := s.AwaitLine(t, "msg", "request", "request_id", "waited")
				if ms, _ := strconv.ParseFloat(line.Text("wait_ms"), 64); ms < 300 {
					t.Errorf("got wait_ms %q in the log, want what it waited", line.Text("wait_ms"))
				}
				release()
				allFine(t, answers, 1)
			},
		},
		{
			name:  "a caller that leaves makes room",
			route: "concurrency: {max_requests: 1, max_pending: 1}",
			run: func(t *testing.T, s *stage) {
				answers, release := s.occupy(t, 1)
				client := wire.Dial(t, s.Proxy)
				client.Send(wire.Compose("GET", s.path+"/left", ""))
				s.pending(t, 1)
				expect(t, s.get(t), refused)
				client.Close()
				s.pending(t, 0)
				s.sum(t, 1, "fender_requests_total", "code", "499")
				waiting := s.begin("/next")
				s.pending(t, 1)
				release()
				allFine(t, answers, 1)
				allFine(t, waiting, 1)
				s.expectCount(t, 2)
			},
		},
		{
			name:  "who waits when the breaker opens is refused and reaches nobody",
			route: "concurrency: {max_requests: 1, max_pending: 3}\n" + tripping,
			run: func(t *testing.T, s *stage) {
				released := make(chan struct{})
				s.up.Script(wire.Held(released, wire.Reply(500, "broken")))
				failing := s.begin("")
				sidecar.Await(t, "upstream has the call", func() bool { return s.up.Count() == 1 })
				waiting := s.ask(3)
				s.pending(t, 3)
				close(released)
				expect(t, one(t, failing), expectation{status: 500, outcome: "upstream", circuit: "open", attempts: 1})
				for range 3 {
					expect(t, one(t, waiting), expectation{status: 503, outcome: "refused", reason: "open", circuit: "open", attempts: 0})
				}
				s.expectCount(t, 1)
				s.pending(t, 0)
			},
		},
		{
			name:  "a fast upstream serves all that fit the queue",
			route: "concurrency: {max_requests: 2, max_pending: 98}",
			run: func(t *testing.T, s *stage) {
				s.up.Script(wire.Reply(200, "fine"))
				allFine(t, s.ask(100), 100)
				if most := s.overlap(); most > 2 {
					t.Errorf("got %d calls at a time, want at most 2", most)
				}
				s.pending(t, 0)
			},
		},
	})
}

func TestTheConcurrencyOfAnUpstream(t *testing.T) {
	playDuets(t, []duet{
		{
			name:     "is that of all its routes together",
			upstream: "concurrency: {max_requests: 2, max_pending: 1}",
			run: func(t *testing.T, a, b *stage) {
				first, release := a.occupy(t, 1)
				second, releaseSecond := b.occupy(t, 1)
				waiting := a.begin("/waiting")
				a.pending(t, 1)
				expect(t, b.get(t), refused)
				expect(t, a.get(t), refused)
				a.expectCount(t, 2)
				releaseSecond()
				allFine(t, second, 1)
				allFine(t, waiting, 1)
				a.pending(t, 0)
				release()
				allFine(t, first, 1)
				if most := a.overlap(); most != 2 {
					t.Errorf("got %d calls at a time, want 2", most)
				}
			},
		},
		{
			name:     "holds beside a route's own, whose callers take none of its places while they wait",
			upstream: "concurrency: {max_requests: 2}",
			a:        "concurrency: {max_requests: 1, max_pending: 1}",
			run: func(t *testing.T, a, b *stage) {
				first, release := a.occupy(t, 1)
				waiting := a.begin("/waiting")
				a.pending(t, 1)
				expect(t, a.get(t), refused)
				second, releaseSecond := b.occupy(t, 1)
				expect(t, b.get(t), refused)
				a.expectCount(t, 2)
				release()
				allFine(t, first, 1)
				sidecar.Await(t, "upstream has who waited", func() bool { return a.up.Count() == 3 })
				releaseSecond()
				allFine(t, second, 1)
				allFine(t, waiting, 1)
				sidecar.Await(t, "a place is free", func() bool { return b.get(t).StatusCode == 200 })
			},
		},
		{
			name:     "gives the route's place back when it has none itself",
			upstream: "concurrency: {max_requests: 1}",
			a:        "concurrency: {max_requests: 1}",
			run: func(t *testing.T, a, b *stage) {
				answers, release := b.occupy(t, 1)
				for range 3 {
					expect(t, a.get(t), refused)
				}
				release()
				allFine(t, answers, 1)
				sidecar.Await(t, "the other route has its place", func() bool { return a.get(t).StatusCode == 200 })
			},
		},
	})
}
