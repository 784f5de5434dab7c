package peers_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/tmaxmax/go-sse"
)

// TestEventsArriveOneByOne has the server send each event only when the client has the one before, for much longer than
// timeout.request.
func TestEventsArriveOneByOne(t *testing.T) {
	const events, pause = 6, 200 * time.Millisecond
	received := make(chan struct{}, events)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := sse.Upgrade(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		for n := range events {
			message := &sse.Message{ID: sse.ID(strconv.Itoa(n)), Type: sse.Type("tick")}
			message.AppendData("event "+strconv.Itoa(n), "in two lines")
			if session.Send(message) != nil || session.Flush() != nil {
				return
			}
			select {
			case <-received:
			case <-r.Context().Done():
				return
			}
			<-time.After(pause)
		}
	}))
	t.Cleanup(server.Close)
	p := start(t, server.URL, "  - {name: events, upstream: peer, timeout: {request: 500ms, stream_idle: 20s}, retry: {}, breaker: {}}\n")
	base := p.Baseline(t)

	begun := time.Now()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Proxy+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Errorf("got status %d and Content-Type %q, want an event stream", answer.StatusCode, got)
	}
	n := 0
	for event, err := range sse.Read(answer.Body, nil) {
		if err != nil {
			t.Fatalf("got %v after %d events, want a clean end", err, n)
		}
		want := "event " + strconv.Itoa(n) + "\nin two lines"
		if event.Data != want || event.Type != "tick" || event.LastEventID != strconv.Itoa(n) {
			t.Errorf("got event %+v, want %q", event, want)
		}
		n++
		received <- struct{}{}
	}
	if n != events {
		t.Errorf("got %d events, want %d", n, events)
	}
	if took := time.Since(begun); took < events*pause {
		t.Errorf("got all events within %v, want them as they were sent, within %v at the soonest", took, events*pause)
	}
	client.CloseIdleConnections()
	server.CloseClientConnections()
	p.AwaitBaseline(t, base)
}
