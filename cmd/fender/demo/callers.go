package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fender-proxy/fender/cmd/dataaction/enrichment"
)

// maxBody is the most that anybody here reads of a body, in bytes.
const maxBody = 64 << 10

// rush is how many times as many callers there are in a rush.
const rush = 4

// callers are flows that ask the Data Action who is calling, one after the other
// at an interval, whether the ones before have their answers or not.
type callers struct {
	url      string // the handler's
	token    string // that it wants to see
	interval time.Duration
	client   *http.Client
	arrive   func() (scene, int) // says how they behave, and how many come now
	report   func(event)         // gets each answer
}

func newCallers(url, token string, d *demo, s *stage) *callers {
	return &callers{
		url:      url,
		token:    token,
		interval: d.interval,
		client:   &http.Client{Transport: &http.Transport{Proxy: nil}, Timeout: d.patience},
		arrive:   s.arrive,
		report:   s.report,
	}
}

// run lets callers ask until over is closed and then waits for their answers.
// When ctx ends, they hang up and are not counted.
func (c *callers) run(ctx context.Context, over <-chan struct{}) {
	defer c.client.CloseIdleConnections()
	var asking sync.WaitGroup
	defer asking.Wait()
	for came := 0; ; {
		now, crowd := c.arrive()
		for range crowd {
			came++
			n := came
			asking.Go(func() { c.call(ctx, n, wanted(n, now.newcomers)) })
		}
		interval := c.interval
		if now.rush {
			interval /= rush
		}
		select {
		case <-time.After(interval):
		case <-over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// wanted returns the number of the customer that the nth caller asks for: one of
// the regulars or, if there are newcomers, every third time one of these.
func wanted(n int, newcomers bool) int {
	if newcomers && n%3 == 0 {
		return firstID + regulars + n/3%(len(customers)-regulars)
	}
	return firstID + (n-1)%regulars
}

func (c *callers) call(ctx context.Context, n, id int) {
	began := time.Now()
	a := c.ask(ctx, n, id)
	a.caller, a.took = n, time.Since(began)
	if ctx.Err() == nil {
		c.report(a)
	}
}

// ask makes one request and reads its answer.
func (c *callers) ask(ctx context.Context, n, id int) (a answer) {
	question := fmt.Sprintf(`{"contactId":"%d","conversationId":%q}`, id, conversationID(n))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+enrichment.Path, strings.NewReader(question))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", requestID(n))
	resp, err := c.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	a = answer{status: resp.StatusCode, body: strings.TrimSpace(string(body))}
	if err == nil {
		err = json.Unmarshal(body, &a.action)
	}
	if err != nil {
		a.err = fmt.Errorf("status %d: %w", a.status, err)
	}
	return a
}

// requestPrefix begins the X-Request-Id of every caller's request. It goes with
// it all the way.
const requestPrefix = "caller-"

func requestID(caller int) string { return requestPrefix + strconv.Itoa(caller) }

// callerOf returns the number of the caller that a request is made for, 0 if
// there is none.
func callerOf(h http.Header) int {
	number, _ := strings.CutPrefix(h.Get("X-Request-Id"), requestPrefix)
	n, _ := strconv.Atoi(number)
	return n
}
