package policy

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// The signals by which the APIs in use say "slow down", each with what a user of
// that API would configure: what they mean and for how long they shut which gate.
func TestHowRealAPIsSaySlowDown(t *testing.T) {
	const (
		failure   = Failure
		throttled = Throttled
		success   = Success
	)
	in := func(status int) StatusRange { return StatusRange{status, status} }
	rules := func(rules ...Rule) func(*Policy) { return func(p *Policy) { p.Classify = rules } }
	hints := func(hints ...Hint) func(*Policy) {
		return func(p *Policy) { p.Throttle.Hints = append(slices.Clone(p.Throttle.Hints), hints...) }
	}
	both := func(a, b func(*Policy)) func(*Policy) { return func(p *Policy) { a(p); b(p) } }
	max15m := func(p *Policy) { p.Throttle.Max = 15 * time.Minute }
	var (
		genesys    = hints(Hint{"inin-ratelimit-reset", FormatSeconds})
		salesforce = rules(Rule{Status: in(403), Contains: "REQUEST_LIMIT_EXCEEDED", As: AsThrottled, Wait: 30 * time.Second, Scope: ScopeUpstream})
		connect    = rules(Rule{Status: in(503), As: AsThrottled, Wait: 2 * time.Minute})
		hubspot    = rules(
			Rule{Status: in(429), Contains: "DAILY", As: AsThrottled, Wait: 10 * time.Minute, Scope: ScopeUpstream},
			Rule{Status: in(429), Contains: "TEN_SECONDLY_ROLLING", As: AsThrottled, Wait: 10 * time.Second},
			Rule{Status: in(423), As: AsThrottled, Wait: 2 * time.Second},
			Rule{Status: in(477), As: AsThrottled},
		)
		zendesk    = hints(Hint{"zendesk-ratelimit-tickets", FormatAuto}, Hint{"ratelimit-reset", FormatSeconds})
		serviceNow = hints(Hint{"X-RateLimit-Reset", FormatEpochSeconds})
		graph      = func(p *Policy) { p.Throttle.Statuses = append(slices.Clone(p.Throttle.Statuses), in(504)) }
		shopify    = rules(Rule{Status: in(200), Contains: `"code":"THROTTLED"`, As: AsThrottled})
		github     = both(hints(Hint{"x-ratelimit-reset", FormatEpochSeconds}), rules(
			Rule{Status: in(403), Contains: "secondary rate limit", As: AsThrottled},
			Rule{Status: in(403), Contains: "API rate limit exceeded", As: AsThrottled},
		))
	)
	const second, minute = time.Second, time.Minute
	tests := []struct {
		name   string
		set    func(*Policy)
		status int
		header string // lines of "Name: value"
		body   string
		class  Class
		gate   time.Duration // 0: it stays open
		shared bool          // it is the upstream's
	}{
		{"Genesys Cloud: a minute's quota", nil, 429, "Retry-After: 42", `{"message":"Rate limit exceeded the maximum. Retry the request in [42] seconds","code":"too.many.requests.retry.after","status":429}`, throttled, 42 * second, false},
		{"Genesys Cloud: a day's quota, in hours", nil, 429, "Retry-After: 7200", `{"code":"too.many.requests.retry.after"}`, throttled, 5 * minute, false},
		{"Genesys Cloud: the end of the window where there is no Retry-After", genesys, 429, "inin-ratelimit-count: 181\ninin-ratelimit-allowed: 180\ninin-ratelimit-reset: 61", "", throttled, 61 * second, false},
		{"Genesys Cloud: the end of the window in a normal answer", genesys, 200, "inin-ratelimit-reset: 61", "{}", success, 0, false},
		{"Salesforce: the limit's 403", salesforce, 403, "Sforce-Limit-Info: api-usage=5000/5000", `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`, throttled, 30 * second, true},
		{"Salesforce: a 403 for want of a permission", salesforce, 403, "Sforce-Limit-Info: api-usage=18/5000", `[{"message":"insufficient access","errorCode":"INSUFFICIENT_ACCESS"}]`, success, 0, false},
		{"Salesforce: an expired session of the client's", salesforce, 401, "", `[{"errorCode":"INVALID_SESSION_ID"}]`, success, 0, false},
		{"Salesforce: a 503", salesforce, 503, "", `[{"errorCode":"SERVER_UNAVAILABLE"}]`, failure, 0, false},
		{"Salesforce Connect: its 503 means a limit", connect, 503, "", "", throttled, 2 * minute, false},
		{"Marketing Cloud: with a header", nil, 429, "Retry-After: 5", `{"errorcode":50100,"retryAfter":5}`, throttled, 5 * second, false},
		{"Marketing Cloud: without", nil, 429, "", `{"errorcode":50200}`, throttled, second, false},
		{"HubSpot: a day's quota", hubspot, 429, "X-HubSpot-RateLimit-Daily-Remaining: 0", `{"status":"error","errorType":"RATE_LIMIT","policyName":"DAILY"}`, throttled, 5 * minute, true},
		{"HubSpot: a day's quota, where max is longer", both(hubspot, max15m), 429, "", `{"policyName":"DAILY"}`, throttled, 10 * minute, true},
		{"HubSpot: ten seconds' quota", hubspot, 429, "X-HubSpot-RateLimit-Interval-Milliseconds: 10000", `{"policyName":"TEN_SECONDLY_ROLLING"}`, throttled, 10 * second, false},
		{"HubSpot: a second's quota", hubspot, 429, "", `{"policyName":"SECONDLY"}`, throttled, second, false},
		{"HubSpot: a locked record", hubspot, 423, "", "", throttled, 2 * second, false},
		{"HubSpot: a migration", hubspot, 477, "Retry-After: 60", "", throttled, minute, false},
		{"Zendesk: with a header, its text plain", nil, 429, "Retry-After: 93\nContent-Type: text/plain", "Number of allowed API requests per minute exceeded", throttled, 93 * second, false},
		{"Zendesk: the end of the window where there is no Retry-After", zendesk, 429, "ratelimit-limit: 700\nratelimit-remaining: 0\nratelimit-reset: 41", "", throttled, 41 * second, false},
		{"Zendesk: a list of values is no time", zendesk, 429, "zendesk-ratelimit-tickets: total=100; remaining=0; resets=41", "", throttled, second, false},
		{"Zendesk: a 503 with a header", nil, 503, "Retry-After: 20", "", throttled, 20 * second, false},
		{"Dataverse: its five minutes", nil, 429, "Retry-After: 17\nx-ms-ratelimit-burst-remaining-xrm-requests: 0", `{"error":{"code":"0x80072322"}}`, throttled, 17 * second, false},
		{"ServiceNow: an hour's window", nil, 429, "Retry-After: 3600\nX-RateLimit-Limit: 1000", "", throttled, 5 * minute, false},
		{"ServiceNow: a moment where there is no Retry-After", serviceNow, 429, "X-RateLimit-Reset: 1795435320", "", throttled, 2 * minute, false},
		{"ServiceNow: a moment that has passed", serviceNow, 429, "X-RateLimit-Reset: 1795435100", "", throttled, second, false},
		{"Microsoft Graph: with a header", nil, 429, "Retry-After: 10", "", throttled, 10 * second, false},
		{"Microsoft Graph: without", nil, 429, "", "", throttled, second, false},
		{"Microsoft Graph: a 503 is believed for a minute", nil, 503, "Retry-After: 150", "", throttled, minute, false},
		{"Microsoft Graph: a 504 with a header is a failure", nil, 504, "Retry-After: 10", "", failure, 0, false},
		{"Microsoft Graph: or not, if its statuses say so", graph, 504, "Retry-After: 10", "", throttled, 10 * second, false},
		{"Shopify: a fraction", nil, 429, "Retry-After: 2.0\nX-Shopify-Shop-Api-Call-Limit: 40/40", "", throttled, 2 * second, false},
		{"Shopify: GraphQL's 200", shopify, 200, "Content-Type: application/json", `{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}`, throttled, second, false},
		{"Shopify: GraphQL's good answer", shopify, 200, "Content-Type: application/json", `{"data":{},"extensions":{"cost":{"throttleStatus":{"currentlyAvailable":990}}}}`, success, 0, false},
		{"GitHub: a secondary limit", github, 403, "retry-after: 60\nx-ratelimit-reset: 1795438800", `{"message":"You have exceeded a secondary rate limit."}`, throttled, minute, false},
		{"GitHub: the primary limit, at a moment", github, 403, "x-ratelimit-remaining: 0\nx-ratelimit-reset: 1795435290", `{"message":"API rate limit exceeded for installation."}`, throttled, 90 * second, false},
		{"GitHub: the primary limit as a 429", github, 429, "x-ratelimit-remaining: 0\nx-ratelimit-reset: 1795435290", "", throttled, 90 * second, false},
		{"GitHub: what is forbidden", github, 403, "x-ratelimit-remaining: 4999\nx-ratelimit-reset: 1795435290", `{"message":"Resource not accessible by integration"}`, success, 0, false},
		{"Freshdesk", nil, 429, "Retry-After: 30\nX-RateLimit-Remaining: 0", "", throttled, 30 * second, false},
		{"Zoho: no header that is known", nil, 429, "", `{"code":"TOO_MANY_REQUESTS"}`, throttled, second, false},

		{"a fraction of a second", nil, 429, "Retry-After: 0.25", "", throttled, 250 * time.Millisecond, false},
		{"a date", nil, 429, "Retry-After: Mon, 23 Nov 2026 12:00:07 GMT", "", throttled, 7 * second, false},
		{"a date by a clock that is an hour ahead", nil, 429, "Retry-After: Mon, 23 Nov 2026 13:00:07 GMT\nDate: Mon, 23 Nov 2026 13:00:00 GMT", "", throttled, 7 * second, false},
		{"a date by a clock that is an hour behind", nil, 429, "Retry-After: Mon, 23 Nov 2026 11:00:07 GMT\nDate: Mon, 23 Nov 2026 11:00:00 GMT", "", throttled, 7 * second, false},
		{"a date as in RFC 850", nil, 429, "Retry-After: Monday, 23-Nov-26 12:00:07 GMT", "", throttled, 7 * second, false},
		{"a date as of asctime", nil, 429, "Retry-After: Mon Nov 23 12:00:07 2026", "", throttled, 7 * second, false},
		{"a date that has passed", nil, 429, "Retry-After: Mon, 23 Nov 2026 11:59:00 GMT", "", throttled, second, false},
		{"a date of a 503 that has passed is no hint", nil, 503, "Retry-After: Mon, 23 Nov 2026 11:59:00 GMT", "", failure, 0, false},
		{"seconds since 1970", nil, 429, "Retry-After: 1795435230", "", throttled, 30 * second, false},
		{"milliseconds since 1970", nil, 429, "Retry-After: 1795435230500", "", throttled, 30*second + 500*time.Millisecond, false},
		{"centuries", nil, 429, "Retry-After: 999999999", "", throttled, 5 * minute, false},
		{"centuries of a 503", nil, 503, "Retry-After: 999999999", "", throttled, minute, false},
		{"garbage", nil, 429, "Retry-After: soon", "", throttled, second, false},
		{"garbage in a 503 is no hint", nil, 503, "Retry-After: soon", "", failure, 0, false},
		{"two lines: the later", nil, 429, "Retry-After: 3\nRetry-After: 5", "", throttled, 5 * second, false},
		{"two lines, one of them garbage", nil, 429, "Retry-After: soon\nRetry-After: 5", "", throttled, 5 * second, false},
		{"two values in one line", nil, 429, "Retry-After: 3, 5", "", throttled, second, false},
		{"10 KiB of digits", nil, 429, "Retry-After: " + strings.Repeat("9", 10<<10), "", throttled, second, false},
		{"a negative number", nil, 429, "Retry-After: -5", "", throttled, second, false},
		{"zero", nil, 429, "Retry-After: 0", "", throttled, second, false},
		{"zero of a 503 is no hint", nil, 503, "Retry-After: 0", "", failure, 0, false},
		{"nothing", nil, 429, "Retry-After: ", "", throttled, second, false},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			<-time.After(time.Until(hintTime)) // a bubble begins when numbers of seconds were smaller
			var header []string
			for line := range strings.Lines(tt.header) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
				header = append(header, name, value)
			}
			r := newRig(t, func(p *Policy) {
				p.Retry = nil
				if tt.set != nil {
					tt.set(p)
				}
			}, answers(tt.status, tt.body, header...))
			body, call, err := r.do(t.Context(), http.MethodGet, nil, 0)
			if err != nil || body != tt.body || call.Class != tt.class {
				t.Errorf("got %v, %q, class %v, want class %v", err, body, call.Class, tt.class)
			}
			gate, other := r.Gate, r.Shared.Gate
			if tt.shared {
				gate, other = other, gate
			}
			if got := shutFor(gate); got != tt.gate {
				t.Errorf("got a gate that is asked to stay shut for %v, want %v", got, tt.gate)
			}
			if got := shutFor(other); got != 0 {
				t.Errorf("got the other gate shut for %v", got)
			}
		})
	}
}

// How long a throttled answer is believed, and by whom.
func TestWhatShutsWhichGate(t *testing.T) {
	const upstream = ScopeUpstream
	in := func(status int) StatusRange { return StatusRange{status, status} }
	tests := []struct {
		name     string
		scope    Scope
		rules    []Rule
		status   int
		hint     string
		route    time.Duration // 0: the gate stays open
		upstream time.Duration
	}{
		{name: "a hint shuts the route's gate", scope: ScopeRoute, status: 429, hint: "7", route: 7 * time.Second},
		{name: "or the upstream's, where that is said", scope: upstream, status: 429, hint: "7", upstream: 7 * time.Second},
		{name: "a rule's scope comes first", scope: ScopeRoute, rules: []Rule{{Status: in(403), As: AsThrottled, Scope: upstream}}, status: 403, hint: "7", upstream: 7 * time.Second},
		{name: "also the narrower one", scope: upstream, rules: []Rule{{Status: in(403), As: AsThrottled, Scope: ScopeRoute}}, status: 403, hint: "7", route: 7 * time.Second},
		{name: "a rule's wait comes before the hint", scope: ScopeRoute, rules: []Rule{{Status: in(429), As: AsThrottled, Wait: 40 * time.Second}}, status: 429, hint: "7", route: 40 * time.Second},
		{name: "a rule without a wait leaves it to the hint", scope: ScopeRoute, rules: []Rule{{Status: in(403), As: AsThrottled}}, status: 403, hint: "7", route: 7 * time.Second},
		{name: "or to default_wait", scope: ScopeRoute, rules: []Rule{{Status: in(403), As: AsThrottled}}, status: 403, route: time.Second},
		{name: "a 503's hint is believed for a minute", scope: ScopeRoute, status: 503, hint: "86400", route: time.Minute},
		{name: "also where a rule says that it is throttled", scope: ScopeRoute, rules: []Rule{{Status: in(503), As: AsThrottled}}, status: 503, hint: "86400", route: time.Minute},
		{name: "but a rule's wait for a 503 as it is", scope: ScopeRoute, rules: []Rule{{Status: in(503), As: AsThrottled, Wait: 4 * time.Minute}}, status: 503, hint: "1", route: 4 * time.Minute},
		{name: "a 429's hint is believed for max", scope: ScopeRoute, status: 429, hint: "86400", route: 5 * time.Minute},
		{name: "and so is a rule's wait", scope: ScopeRoute, rules: []Rule{{Status: in(429), As: AsThrottled, Wait: time.Hour}}, status: 429, route: 5 * time.Minute},
		{name: "a 503 without a hint shuts nothing", scope: ScopeRoute, status: 503},
		{name: "a failure that asks to wait shuts nothing", scope: ScopeRoute, status: 502, hint: "7"},
		{name: "a good answer that asks to wait shuts nothing", scope: ScopeRoute, status: 200, hint: "7"},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			r := newRig(t, func(p *Policy) { p.Retry, p.Throttle.Scope, p.Classify = nil, tt.scope, tt.rules }, answers(tt.status, "", "Retry-After", tt.hint))
			_, call, _ := r.get(t)
			for i, want := range []time.Duration{tt.route, tt.upstream} {
				if got := shutFor([]*Gate{r.Gate, r.Shared.Gate}[i]); got != want {
					t.Errorf("got gate %d asked to stay shut for %v, want %v", i, got, want)
				}
			}
			if throttled := tt.route+tt.upstream > 0; !throttled && (call.Hint != 0 || len(r.tally.hints) > 0) {
				t.Errorf("got hint %v, counted %v, of an answer that is not throttled", call.Hint, r.tally.hints)
			}
		})
	}
}

// shutFor returns for how long a gate was asked to stay shut from now on, 0 if it
// is not shut.
func shutFor(g *Gate) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != GateShut {
		return 0
	}
	return time.Until(g.notBefore)
}
