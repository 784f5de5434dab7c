package demo

import (
	"crypto/rand"
	"sync"
	"time"
)

// client is one that Genesys Cloud knows, of the client credentials grant.
type client struct{ id, secret string }

// tokens are those that Genesys Cloud has given to its one client. They are safe
// for concurrent use.
type tokens struct {
	life    time.Duration
	most    int // that are good at a time: one more evicts the oldest
	allowed int // requests a minute with each

	mu    sync.Mutex
	given []*token // the oldest first, with those that are good no longer
}

// token is one of them.
type token struct {
	number int // from 1
	value  string
	ends   time.Time
	minute time.Time // the end of the present one
	count  int       // requests in it
}

// use is what the rate limit says to one request.
type use struct {
	token          int // its number; 0 if there never was such a token
	good           bool
	tooMany        bool // this request is one
	count, allowed int
	reset          time.Duration // until the count begins anew
}

// issue gives a token, and ends the oldest one if there are too many.
func (t *tokens) issue() (value string, given tokenGiven) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	var good []*token
	for _, old := range t.given {
		if now.Before(old.ends) {
			good = append(good, old)
		}
	}
	if len(good) >= t.most {
		good[0].ends = now
		given.evicted = good[0].number
	}
	fresh := &token{number: len(t.given) + 1, value: rand.Text(), ends: now.Add(t.life)}
	t.given = append(t.given, fresh)
	given.number, given.life = fresh.number, t.life
	return fresh.value, given
}

// use counts a request with a token, unless it is one too many.
func (t *tokens) use(value string) use {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, known := range t.given {
		if known.value != value {
			continue
		}
		if !now.Before(known.ends) {
			return use{token: known.number}
		}
		return known.use(now, t.allowed)
	}
	return use{}
}

func (t *token) use(now time.Time, allowed int) use {
	if !now.Before(t.minute) {
		t.minute, t.count = now.Add(time.Minute), 0
	}
	tooMany := t.count >= allowed
	if !tooMany {
		t.count++
	}
	return use{token: t.number, good: true, tooMany: tooMany, count: t.count, allowed: allowed, reset: t.minute.Sub(now)}
}
