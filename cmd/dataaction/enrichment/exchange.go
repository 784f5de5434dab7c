package enrichment

import (
	"crypto/rand"
	"net/http"
	"time"
)

// An exchange is one request, what was found for it, and how it was answered.
type exchange struct {
	id           string // of the answer
	request      *http.Request
	began        time.Time
	caller       *caller
	customer     customer
	conversation conversation
	status       int      // what the client got
	problem      *problem // nil on success
}

func newExchange(r *http.Request) *exchange {
	return &exchange{id: rand.Text(), request: r, began: time.Now(), caller: newCaller(r.Header)}
}
