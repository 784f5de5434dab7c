package demo

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// fault is what is wrong with the CRM.
type fault int32

const (
	healthy fault = iota
	// busy answers 429.
	busy
	// hanging takes requests and never answers.
	hanging
	// failing answers 503.
	failing
)

// customersPath is before a customer's number.
const customersPath = "/v1/customers/"

// crm is the stand-in for a customer database. It is safe for concurrent use.
type crm struct {
	latency time.Duration // of every answer
	hint    time.Duration // Retry-After of a 429
	key     string        // that everybody must show
	report  func(event)   // gets each crmAnswer before it goes out

	fault atomic.Int32
	seen  atomic.Int64 // requests
}

// customer is one entry.
type customer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Tier string `json:"tier"`
}

// customers are found under 1001, 1002, and so on. The last ones are newcomers.
var customers = []customer{
	{Name: "Ada Lovelace", Tier: "gold"},
	{Name: "Alan Turing", Tier: "silver"},
	{Name: "Grace Hopper", Tier: "platinum"},
	{Name: "Edsger Dijkstra", Tier: "gold"},
	{Name: "Barbara Liskov", Tier: "silver"},
	{Name: "Donald Knuth", Tier: "gold"},
	{Name: "Radia Perlman", Tier: "platinum"},
}

const (
	firstID  = 1001
	regulars = 5
)

// set makes f what is wrong from now on.
func (c *crm) set(f fault) { c.fault.Store(int32(f)) }

// count returns how many requests there were.
func (c *crm) count() int { return int(c.seen.Load()) }

func (c *crm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(c.seen.Add(1))
	f := fault(c.fault.Load())
	if f == hanging {
		c.report(crmAnswer{request: n})
		<-r.Context().Done()
		return
	}
	select {
	case <-time.After(c.latency):
	case <-r.Context().Done():
		return
	}
	switch {
	case r.Header.Get("X-Api-Key") != c.key:
		c.answer(w, crmAnswer{request: n, status: http.StatusUnauthorized}, trouble{"no such key"})
	case f == busy:
		hint := strconv.FormatFloat(c.hint.Seconds(), 'f', -1, 64)
		w.Header().Set("Retry-After", hint)
		c.answer(w, crmAnswer{request: n, status: http.StatusTooManyRequests, retryAfter: hint}, trouble{"too many requests"})
	case f == failing:
		c.answer(w, crmAnswer{request: n, status: http.StatusServiceUnavailable}, trouble{"starting"})
	default:
		status, body := lookUp(r.URL.Path)
		c.answer(w, crmAnswer{request: n, status: status}, body)
	}
}

// trouble is the body of an answer without a customer.
type trouble struct {
	Error string `json:"error"`
}

// lookUp returns the customer whose number ends the path.
func lookUp(path string) (status int, body any) {
	var id int
	_, err := fmt.Sscanf(path, customersPath+"%d", &id)
	if err != nil || id < firstID || id >= firstID+len(customers) {
		return http.StatusNotFound, trouble{"no such customer"}
	}
	found := customers[id-firstID]
	found.ID = strconv.Itoa(id)
	return http.StatusOK, found
}

// answer reports an answer and sends it with the body.
func (c *crm) answer(w http.ResponseWriter, a crmAnswer, body any) {
	c.report(a)
	writeJSON(w, a.status, body)
}
