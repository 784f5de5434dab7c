package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/fender-proxy/fender/policy"
	"github.com/fender-proxy/fender/proxy"
)

// maxBody is the most that a caller reads of an answer, in bytes.
const maxBody = 64 << 10

// rush is how many times as many callers there are in a rush.
const rush = 4

// callers ask the sidecar for customers, one after the other at an interval,
// whether the ones before have their answers or not.
type callers struct {
	url      string // the sidecar's
	interval time.Duration
	client   *http.Client
	present  func() scene // says how they behave
	report   func(event)  // gets each answer
}

func newCallers(url string, d *demo, s *stage) *callers {
	return &callers{
		url:      url,
		interval: d.interval,
		client:   &http.Client{Transport: &http.Transport{Proxy: nil}, Timeout: d.patience},
		present:  s.present,
		report:   s.report,
	}
}

// run lets callers ask until over is closed and then waits for their answers.
// When ctx ends, they hang up and are not counted.
func (c *callers) run(ctx context.Context, over <-chan struct{}) {
	defer c.client.CloseIdleConnections()
	var asking sync.WaitGroup
	defer asking.Wait()
	for n := 1; ; n++ {
		now := c.present()
		asking.Go(func() { c.call(ctx, n, wanted(n, now.newcomers)) })
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
	a := c.ask(ctx, c.url+"/v1/customers/"+strconv.Itoa(id))
	a.caller, a.took = n, time.Since(began)
	if ctx.Err() == nil {
		c.report(a)
	}
}

// ask makes one request and reads its answer.
func (c *callers) ask(ctx context.Context, url string) (a answer) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return answer{err: err}
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a.status = resp.StatusCode
	a.outcome = proxy.Outcome(resp.Header.Get("Fender-Outcome"))
	a.circuit = policy.State(resp.Header.Get("Fender-Circuit"))
	a.attempts, _ = strconv.Atoi(resp.Header.Get("Fender-Attempts"))
	a.age = resp.Header.Get("Age")
	a.retryAfter = resp.Header.Get("Retry-After")
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, &a.customer)
	}
	if err != nil {
		a.err = fmt.Errorf("status %d: %w", a.status, err)
	}
	return a
}
