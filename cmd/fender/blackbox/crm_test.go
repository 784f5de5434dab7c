package blackbox_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
	"github.com/fender-proxy/fender/cmd/fender/blackbox/wire"
)

// A signal is one way in which an API says that it has had enough, and what becomes of it.
type signal struct {
	name   string
	route  string // the keys that a user of the API writes
	status int
	fields []string
	body   string
	result string        // the attempt's, as it is counted
	shut   time.Duration // the gate's time; 0 is a gate that stays open
}

// play has the upstream give the signal and looks at what comes of it: the answer goes to its caller untouched, it has its
// name in the metrics, and the next caller is held back for as long, or not at all.
func (g signal) play(t *testing.T, s *stage) {
	s.up.Script(wire.Reply(g.status, g.body, g.fields...), wire.Reply(200, "fine"))
	since := time.Now()
	expect(t, s.get(t), expectation{status: g.status, body: g.body, outcome: "upstream", reason: "-", attempts: 1})
	if g.shut == 0 {
		g.expectCounted(t, s, s.Scrape(t), 0)
		expect(t, s.get(t), expectation{status: 200, body: "fine", outcome: "upstream", attempts: 1})
		return
	}
	next := s.get(t)
	late := time.Since(since) >= g.shut-time.Second // then it may have been waited for
	g.expectCounted(t, s, s.expectRemaining(t, g.shut, since), 1)
	if late {
		return
	}
	expectHeldBack(t, next)
	if got, most := retryAfter(t, next), math.Ceil((g.shut + min(g.shut/5, time.Second)).Seconds()); float64(got) > most {
		t.Errorf("got Retry-After %d, want at most %v", got, most)
	}
	s.expectCount(t, 1)
}

// expectCounted looks at the name that the signal has in the metrics, and how often it shut the gate.
func (g signal) expectCounted(t *testing.T, s *stage, m sidecar.Metrics, shut float64) {
	t.Helper()
	if got := m.Sum("fender_upstream_attempts_total", "route", s.route, "result", g.result); got != 1 {
		t.Errorf("got %v attempts with the result %s, want 1", got, g.result)
	}
	if got := m.Sum("fender_throttle_gate_shut_total", "route", s.route); got != shut {
		t.Errorf("got a gate that was shut %v times, want %v", got, shut)
	}
}

// playSignals plays each signal on a stage of its own.
func playSignals(t *testing.T, signals []signal) {
	t.Helper()
	scenes := make([]scene, len(signals))
	for i, g := range signals {
		scenes[i] = scene{name: g.name, route: g.route, run: g.play}
	}
	play(t, scenes)
}

// What users of these APIs write.
const (
	salesforceRules = `
classify:
- {status: 403, contains: REQUEST_LIMIT_EXCEEDED, as: throttled, wait: 30s, scope: upstream}
- {status: 503, contains: REQUEST_LIMIT_EXCEEDED, as: throttled, wait: 20s}
`
	hubSpotRules = `
throttle: {max: 15m}
classify:
- {status: 429, contains: DAILY, as: throttled, wait: 10m, scope: upstream}
- {status: 429, contains: TEN_SECONDLY_ROLLING, as: throttled, wait: 10s}
- {status: 429, contains: SECONDLY, as: throttled, wait: 1s}
- {status: 423, as: throttled, wait: 2s}
`
	zendeskHints    = "throttle: {hints: [{header: Retry-After}, {header: ratelimit-reset, format: seconds}]}"
	serviceNowHints = "throttle: {max: 1h, hints: [{header: Retry-After}, {header: X-RateLimit-Reset, format: epoch-seconds}]}"
	shopifyRules    = "classify: [{status: 200, contains: '\"code\":\"THROTTLED\"', as: throttled, wait: 5s}]"
	gitHubRules     = "classify: [{status: 403, contains: rate limit, as: throttled}]\n" + serviceNowHints
	zohoRules       = "classify: [{status: 429, contains: TOO_MANY_REQUESTS, as: throttled, wait: 60s, scope: upstream}]"
)

// crmClock is what the APIs' clock shows: it is wrong by years, which makes no difference.
var crmClock = time.Date(2021, time.March, 4, 5, 6, 7, 0, time.UTC)

// crmDate is the Date of an answer.
const crmDate = "Date: Thu, 04 Mar 2021 05:06:07 GMT"

// crmEpoch is a moment of the APIs' clock in Unix seconds.
func crmEpoch(later time.Duration) string { return strconv.FormatInt(crmClock.Add(later).Unix(), 10) }

func TestHowAPIsSaySlowDown(t *testing.T) {
	const second = time.Second
	genesys := `{"message":"Rate limit exceeded the maximum. Retry the request in [42] seconds","code":"too.many.requests.retry.after","status":429}`
	hubSpot := func(policy string) string {
		return `{"status":"error","message":"You have reached your limit.","errorType":"RATE_LIMIT","policyName":"` + policy + `"}`
	}
	playSignals(t, []signal{
		{"Genesys", "", 429, []string{"Retry-After: 42"}, genesys, "throttled", 42 * second},
		{"Genesys, a daily quota", "", 429, []string{"Retry-After: 14400"}, genesys, "throttled", 300 * second},
		{"Genesys, an answer that only counts", "", 404, []string{"inin-ratelimit-count: 180", "inin-ratelimit-allowed: 180", "inin-ratelimit-reset: 61"}, "{}", "4xx", 0},

		{"Salesforce, the limit of a day", salesforceRules, 403, []string{"Sforce-Limit-Info: api-usage=5000/5000"}, usedUp, "throttled", 30 * second},
		{"Salesforce, a missing permission", salesforceRules, 403, nil, `[{"errorCode":"INSUFFICIENT_ACCESS"}]`, "4xx", 0},
		{"Salesforce, the Connect API's 503 that means a limit", salesforceRules, 503, nil, usedUp, "throttled", 20 * second},
		{"Salesforce, a 503 that means what it says", salesforceRules, 503, nil, `[{"errorCode":"SERVER_UNAVAILABLE"}]`, "5xx", 0},

		{"Marketing Cloud with a header", "", 429, []string{"Retry-After: 5"}, `{"errorcode":50100,"retryAfter":5}`, "throttled", 5 * second},
		{"Marketing Cloud without one", "throttle: {default_wait: 15s}", 429, nil, `{"errorcode":50200}`, "throttled", 15 * second},

		{"HubSpot, the quota of a day", hubSpotRules, 429, []string{"X-HubSpot-RateLimit-Daily-Remaining: 0"}, hubSpot("DAILY"), "throttled", 600 * second},
		{"HubSpot, ten seconds", hubSpotRules, 429, []string{"X-HubSpot-RateLimit-Interval-Milliseconds: 10000"}, hubSpot("TEN_SECONDLY_ROLLING"), "throttled", 10 * second},
		{"HubSpot, one second", hubSpotRules, 429, nil, hubSpot("SECONDLY"), "throttled", second},
		{"HubSpot, a lock", hubSpotRules, 423, nil, `{"status":"error"}`, "throttled", 2 * second},
		{"HubSpot, a rule's wait beyond max", "classify: [{status: 429, contains: DAILY, as: throttled, wait: 10m}]", 429, nil, hubSpot("DAILY"), "throttled", 300 * second},

		{"Zendesk", zendeskHints, 429, []string{"Retry-After: 93", "ratelimit-reset: 41", "Content-Type: text/plain"}, "Rate limit exceeded", "throttled", 93 * second},
		{"Zendesk without Retry-After", zendeskHints, 429, []string{"ratelimit-limit: 100", "ratelimit-remaining: 0", "ratelimit-reset: 41"}, "", "throttled", 41 * second},
		{"Zendesk, a 503 with a hint", zendeskHints, 503, []string{"Retry-After: 12"}, "", "throttled", 12 * second},

		{"Dataverse", "", 429, []string{"Retry-After: 240", "x-ms-ratelimit-burst-remaining-xrm-requests: 0"}, `{"error":{"code":"0x80072322"}}`, "throttled", 240 * second},

		{"ServiceNow", serviceNowHints, 429, []string{crmDate, "Retry-After: 1800", "X-RateLimit-Reset: " + crmEpoch(time.Hour)}, "", "throttled", 1800 * second},
		{"ServiceNow without Retry-After", serviceNowHints, 429, []string{crmDate, "X-RateLimit-Limit: 100", "X-RateLimit-Reset: " + crmEpoch(1700*second)}, "", "throttled", 1700 * second},

		{"Microsoft Graph", "", 429, []string{"Retry-After: 150"}, `{"error":{"code":"TooManyRequests"}}`, "throttled", 150 * second},
		{"Microsoft Graph, a resource without the header", "throttle: {default_wait: 10s}", 429, nil, `{"error":{"code":"TooManyRequests"}}`, "throttled", 10 * second},
		{"Microsoft Graph, a 503", "", 503, []string{"Retry-After: 150"}, "", "throttled", 60 * second},
		{"Microsoft Graph, a 504 even with a hint", "", 504, []string{"Retry-After: 150"}, "", "5xx", 0},

		{"Shopify's seconds that are a fraction", "", 429, []string{"Retry-After: 2.0", "X-Shopify-Shop-Api-Call-Limit: 40/40"}, "", "throttled", 2 * second},
		{"Shopify's GraphQL", shopifyRules, 200, nil, `{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}`, "throttled", 5 * second},
		{"Shopify's GraphQL, a good answer", shopifyRules, 200, nil, `{"data":{},"extensions":{"cost":{"throttleStatus":{"currentlyAvailable":954}}}}`, "2xx", 0},

		{"GitHub's secondary limit", gitHubRules, 403, []string{"Retry-After: 60"}, "You have exceeded a secondary rate limit.", "throttled", 60 * second},
		{"GitHub's primary limit", gitHubRules, 403, []string{crmDate, "x-ratelimit-remaining: 0", "x-ratelimit-reset: " + crmEpoch(1200*second)}, "API rate limit exceeded for user.", "throttled", 1200 * second},
		{"GitHub's primary limit as a 429", gitHubRules, 429, []string{crmDate, "x-ratelimit-remaining: 0", "x-ratelimit-reset: " + crmEpoch(120*second)}, "API rate limit exceeded", "throttled", 120 * second},
		{"GitHub, what is plainly forbidden", gitHubRules, 403, []string{crmDate, "x-ratelimit-remaining: 4999", "x-ratelimit-reset: " + crmEpoch(1200*second)}, "Resource not accessible by integration", "4xx", 0},

		{"Freshdesk", "", 429, []string{"Retry-After: 55", "X-RateLimit-Total: 400", "X-RateLimit-Remaining: 0"}, "", "throttled", 55 * second},
		{"Zoho", zohoRules, 429, []string{"X-RATELIMIT-RESET: 1"}, `{"code":"TOO_MANY_REQUESTS","status":"error"}`, "throttled", 60 * second},
	})
}

func TestHostileHints(t *testing.T) {
	const second = time.Second
	const route = "throttle: {default_wait: 20s}"
	const others = "throttle: {default_wait: 20s, hints: [{header: X-Date, format: http-date}, {header: X-Millis, format: epoch-ms}, {header: X-Epoch, format: epoch-seconds}, {header: X-Seconds, format: seconds}, {header: Retry-After}]}"
	hint := func(value string) []string { return []string{crmDate, "Retry-After: " + value} }
	ahead := crmClock.Add(100 * second)
	millis := strconv.FormatInt(ahead.UnixMilli(), 10)
	unusable := 20 * second
	rows := []struct {
		name   string
		route  string
		fields []string
		want   time.Duration
	}{
		{"a fraction", route, hint("7.5"), 7500 * time.Millisecond},
		{"a fraction of a second", route, hint("0.25"), 250 * time.Millisecond},
		{"blanks around it", route, hint(" \t 7 \t "), 7 * second},
		{"zeros before it", route, hint("0000007"), 7 * second},
		{"a date by a clock that is years behind", route, hint("Thu, 04 Mar 2021 05:07:47 GMT"), 100 * second},
		{"a date by a clock that is years ahead", route, []string{"Date: Wed, 01 Jan 2070 00:00:00 GMT", "Retry-After: Wed, 01 Jan 2070 00:01:40 GMT"}, 100 * second},
		{"a date of RFC 850", route, hint("Thursday, 04-Mar-21 05:07:47 GMT"), 100 * second},
		{"a date of asctime", route, hint("Thu Mar  4 05:07:47 2021"), 100 * second},
		{"epoch seconds", route, hint(strconv.FormatInt(ahead.Unix(), 10)), 100 * second},
		{"epoch milliseconds", route, hint(millis), 100 * second},
		{"a hint beyond max", route, hint("999999999"), 300 * second},
		{"garbage", route, hint("soon"), unusable},
		{"a number with a unit", route, hint("30s"), unusable},
		{"an exponent", route, hint("1e3"), unusable},
		{"hexadecimal", route, hint("0x10"), unusable},
		{"infinity", route, hint("Infinity"), unusable},
		{"negative", route, hint("-5"), unusable},
		{"zero", route, hint("0"), unusable},
		{"a zero fraction", route, hint("0.0"), unusable},
		{"empty", route, hint(""), unusable},
		{"a date that is past", route, hint("Thu, 04 Mar 2021 05:06:06 GMT"), unusable},
		{"a date that is now", route, hint("Thu, 04 Mar 2021 05:06:07 GMT"), unusable},
		{"a date that does not exist", route, hint("Thu, 34 Mar 2021 05:06:07 GMT"), unusable},
		{"ten KiB of digits", route, hint(strings.Repeat("9", 10<<10)), unusable},
		{"ten KiB of zeros and a digit", route, hint(strings.Repeat("0", 10<<10) + "7"), unusable},
		{"two values in one line", route, hint("7, 9"), unusable},
		{"two lines, of which the latest counts", route, append(hint("7"), "Retry-After: 9", "Retry-After: 8"), 9 * second},
		{"two lines, of which one is unusable", route, append(hint("soon"), "Retry-After: 7"), 7 * second},

		{"the first of the configured headers that is usable", others, append(hint("7"), "X-Date: soon", "X-Seconds: 9"), 9 * second},
		{"a configured http-date", others, append(hint("7"), "X-Date: Thu, 04 Mar 2021 05:07:47 GMT"), 100 * second},
		{"a configured http-date that is a number", others, append(hint("7"), "X-Date: 100"), 7 * second},
		{"configured epoch milliseconds", others, append(hint("7"), "X-Millis: "+millis), 100 * second},
		{"configured epoch seconds", others, append(hint("7"), "x-epoch: "+strconv.FormatInt(ahead.Unix(), 10)), 100 * second},
		{"configured epoch seconds that are past", others, append(hint("7"), "X-Epoch: 100"), 7 * second},
		{"configured seconds that auto takes for a moment", "throttle: {max: 1h, hints: [{header: Retry-After, format: seconds}]}", hint("2000000000"), time.Hour},
	}
	signals := make([]signal, len(rows))
	for i, row := range rows {
		signals[i] = signal{row.name, row.route, 429, row.fields, "slow down", "throttled", row.want}
	}
	playSignals(t, signals)
}
