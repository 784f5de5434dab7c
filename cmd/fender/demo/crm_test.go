package demo

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheCRMAnswersAsItsFaultSays(t *testing.T) {
	c := &crm{latency: 25 * time.Millisecond, hint: 1500 * time.Millisecond, key: "k", report: func(event) {}}
	for _, test := range []struct {
		name       string
		fault      fault
		key        string
		path       string
		status     int
		retryAfter string
		body       string
	}{
		{"healthy", healthy, "k", "/v1/customers/1002", http.StatusOK, "", `{"id":"1002","name":"Alan Turing","tier":"silver"}`},
		{"no such customer", healthy, "k", "/v1/customers/1", http.StatusNotFound, "", `{"error":"no such customer"}`},
		{"not a customer", healthy, "k", "/", http.StatusNotFound, "", `{"error":"no such customer"}`},
		{"a wrong key", healthy, "", "/v1/customers/1001", http.StatusUnauthorized, "", `{"error":"no such key"}`},
		{"busy", busy, "k", "/v1/customers/1001", http.StatusTooManyRequests, "1.5", `{"error":"too many requests"}`},
		{"failing", failing, "k", "/v1/customers/1001", http.StatusServiceUnavailable, "", `{"error":"starting"}`},
	} {
		c.set(test.fault)
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, test.path, nil)
		r.Header.Set("X-API-Key", test.key)
		c.ServeHTTP(w, r)
		if w.Code != test.status || w.Header().Get("Retry-After") != test.retryAfter || w.Body.String() != test.body+"\n" {
			t.Errorf("%s: got %d, Retry-After %q, %s, want %d, %q, %s", test.name,
				w.Code, w.Header().Get("Retry-After"), w.Body, test.status, test.retryAfter, test.body)
		}
	}
}

func TestABusyCRMTurnsEverybodyAwayUntilItIsNot(t *testing.T) {
	c := &crm{hint: time.Second, report: func(event) {}}
	c.set(busy)
	for i, want := range []int{http.StatusTooManyRequests, http.StatusTooManyRequests, http.StatusOK} {
		if i == 2 {
			c.set(healthy)
		}
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/customers/1001", nil))
		if w.Code != want {
			t.Errorf("request %d: got status %d, want %d", i+1, w.Code, want)
		}
	}
}

func TestAHangingCRMLetsGoWhenItsClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crm{report: func(event) {}}
		c.set(hanging)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/customers/1001", nil))
		if took := time.Since(began); took != time.Minute || w.Body.Len() > 0 {
			t.Errorf("got %q after %v, want nothing after a minute", w.Body, took)
		}
	})
}
