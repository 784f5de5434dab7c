package policy

import "time"

// Observer is told what a [Transport] does. Its methods are called on the
// request's goroutine and must return quickly. They are safe for concurrent use.
type Observer interface {
	// Attempt is one try that went upstream, and the time it took.
	Attempt(result AttemptResult, took time.Duration)
	// Hint is a wait that a throttled answer asks for.
	Hint(wait time.Duration)
	// Retry is a repeat that is about to be made, for the configured condition.
	Retry(on Condition)
	// RetrySkipped is a result that was worth a repeat that was not made.
	RetrySkipped(why Skip)
	// Pending is a call that begins to wait for a place in flight (1), or ends
	// to (-1).
	Pending(change int)
	// Observed is a call that would have been refused if the policy were in
	// force.
	Observed(by Refuser)
}

// Refuser is a part of the policy that can refuse a call.
type Refuser string

// The parts that can refuse a call.
const (
	RefusedByBreaker     Refuser = "breaker"
	RefusedByThrottle    Refuser = "throttle"
	RefusedByConcurrency Refuser = "concurrency"
)

// Refusers returns all of them.
func Refusers() []Refuser {
	return []Refuser{RefusedByBreaker, RefusedByThrottle, RefusedByConcurrency}
}

// AttemptResult is the result of one try as it is counted.
type AttemptResult string

// The results.
const (
	Result2xx       AttemptResult = "2xx"
	Result3xx       AttemptResult = "3xx"
	Result401       AttemptResult = "401"
	Result4xx       AttemptResult = "4xx"
	Result5xx       AttemptResult = "5xx"
	ResultThrottled AttemptResult = "throttled"
	ResultTimeout   AttemptResult = "timeout"
	ResultDNS       AttemptResult = "dns"
	ResultDial      AttemptResult = "dial"
	ResultTLS       AttemptResult = "tls"
	ResultReset     AttemptResult = "reset"
	ResultCanceled  AttemptResult = "canceled"
)

// AttemptResults returns all results.
func AttemptResults() []AttemptResult {
	return []AttemptResult{
		Result2xx, Result3xx, Result401, Result4xx, Result5xx, ResultThrottled,
		ResultTimeout, ResultDNS, ResultDial, ResultTLS, ResultReset, ResultCanceled,
	}
}

// statusResult returns the result of an answer with the status. A switch of
// protocols is a success; statuses beyond 599 have no class of their own.
func statusResult(status int) AttemptResult {
	switch {
	case status == 401:
		return Result401
	case status >= 500:
		return Result5xx
	case status >= 400:
		return Result4xx
	case status >= 300:
		return Result3xx
	}
	return Result2xx
}

// Skip is why a repeat was not made.
type Skip string

// The reasons for not repeating.
const (
	SkipBudget   Skip = "budget"
	SkipMethod   Skip = "method"
	SkipBody     Skip = "body"
	SkipDeadline Skip = "deadline"
	SkipMaxHint  Skip = "max_hint"
	SkipBreaker  Skip = "breaker"
	// SkipThrottled is a gate or a rate limit that did not let the repeat
	// through, SkipOverloaded a limit on calls in flight, SkipUnauthorized a lack
	// of credentials.
	SkipThrottled    Skip = "throttled"
	SkipOverloaded   Skip = "overloaded"
	SkipUnauthorized Skip = "unauthorized"
)

// Skips returns all reasons for not repeating.
func Skips() []Skip {
	return []Skip{SkipBudget, SkipMethod, SkipBody, SkipDeadline, SkipMaxHint, SkipBreaker, SkipThrottled, SkipOverloaded, SkipUnauthorized}
}
