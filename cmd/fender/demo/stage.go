package demo

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/fender-proxy/fender/policy"
)

// stage is where the scenes are played: each event gets its line, is counted,
// and may end the scene, all before the next one. It is safe for concurrent use.
type stage struct {
	crm     *crm
	genesys *genesys
	over    chan struct{} // closed after the last scene

	mu       sync.Mutex
	print    *printer // nothing is printed after end
	ended    bool
	scenes   []scene
	at       int             // the present scene
	times    int             // that its until has held
	crowd    int             // callers who are to come at once
	due      *showing        // the answer that is to be shown next; nil if there is none
	circuit  policy.State    // of the CRM
	heldBack bool            // its gate was shut, and the CRM has taken no request since
	asking   bool            // and time was up: who asks now asks for all
	left     rest            // the counts when the CRM was left alone
	calls    map[int]crmCall // by callers that have no answer yet
	refused  map[int]bool    // callers whose call of Genesys Cloud had a token that was not good
	tally    tally
}

// newStage returns a stage that a CRM and a Genesys Cloud report to.
func newStage(p *printer, c *crm, g *genesys) *stage {
	s := &stage{
		crm: c, genesys: g, over: make(chan struct{}), print: p, circuit: policy.Closed,
		calls: make(map[int]crmCall), refused: make(map[int]bool),
	}
	c.report, g.report = s.report, s.report
	return s
}

// introduce says who takes part.
func (s *stage) introduce(d *demo, at addresses) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.print
	title := "Fender, shown in one process: callers -> Data Action -> sidecar -> CRM and Genesys Cloud"
	p.printf("%s\n\n", p.colour.paint(bold, title))
	p.printf("    callers  flows that POST {\"contactId\", \"conversationId\"}: a new one every %v, in a rush every %v\n", d.interval, d.interval/rush)
	p.printf("    handler  %s, the Data Action of cmd/dataaction: no retries, keys or tokens\n", at.handler)
	p.printf("    sidecar  %s, configured by cmd/fender/demo/demo.yaml\n", at.sidecar)
	p.printf("    crm      %s, a stand-in with faults on a schedule\n", at.crm)
	p.printf("    genesys  %s, a stand-in for the Platform API and its token endpoint\n", at.genesys)
}

// begin begins the first scene. There must be one.
func (s *stage) begin(scenes []scene) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scenes = scenes
	s.print.start = time.Now()
	s.open()
}

// open begins the present scene.
func (s *stage) open() {
	now := s.scenes[s.at]
	s.times, s.crowd = 0, now.crowd
	if now.shows != nil {
		s.due = now.shows
	}
	s.crm.set(now.fault)
	s.genesys.down.Store(now.genesysDown)
	s.print.heading(fmt.Sprintf("%d/%d  %s", s.at+1, len(s.scenes), now.title), now.why)
	if s.at == 0 {
		s.print.columns()
	}
	for range now.restarts {
		_, given := s.genesys.tokens.issue()
		given.to = anotherPod
		s.print.event(given)
	}
}

// arrive returns the present scene, after the end the last one, and how many
// callers come now.
func (s *stage) arrive() (now scene, crowd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	crowd, s.crowd = max(1, s.crowd), 0
	return s.scenes[min(s.at, len(s.scenes)-1)], crowd
}

// report is told of every event.
func (s *stage) report(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	switch told := e.(type) {
	case answer:
		e = s.answered(told)
	case crmCall:
		s.calls[told.caller] = told
	case crmAnswer:
		e = s.hear(told)
	case genesysAnswer:
		e = s.hearGenesys(told)
	case tokenGiven:
		s.print.event(e)
		s.tally.tokens++
	case transition:
		s.print.event(e)
		if told.upstream == theCRM {
			s.turn(told.to)
		}
	case gateChange:
		s.print.event(e)
		if told.upstream == theCRM {
			s.hold(told.to)
		}
	}
	s.advance(e)
}

// answered is told of every answer that a caller got, and returns it with what
// the sidecar had to do for it.
func (s *stage) answered(a answer) answer {
	if call, ok := s.calls[a.caller]; ok {
		a.call = call
		delete(s.calls, a.caller)
	}
	s.print.event(a)
	s.tally.add(a)
	if s.due != nil && s.due.of(a) {
		s.print.show(a, s.due.when)
		s.due = nil
	}
	return a
}

// hearGenesys is told of every answer of the Platform API's, and returns it with
// what it means. Those that are as usual have no line.
func (s *stage) hearGenesys(a genesysAnswer) genesysAnswer {
	a.again = s.refused[a.caller]
	if a.again || a.status != http.StatusOK {
		s.print.event(a)
	}
	switch a.status {
	case http.StatusUnauthorized:
		s.refused[a.caller] = true
		s.tally.unauthorized++
	case http.StatusServiceUnavailable:
		s.tally.unavailable++
	}
	return a
}

// hear is told of every answer of the CRM's, and returns it with what it means.
// Those that are as usual have no line.
func (s *stage) hear(a crmAnswer) crmAnswer {
	a.probe, a.forAll = s.circuit != policy.Closed, s.asking
	taken := a.status == http.StatusOK
	if a.probe || a.forAll || !taken {
		s.print.event(a)
	}
	if turnedAway(a) {
		s.tally.away++
	}
	if a.forAll && taken {
		s.heldBack, s.asking = false, false
		s.print.event(s.sofar().since(s.left))
	}
	return a
}

// hold follows the gate.
func (s *stage) hold(to policy.GateState) {
	if to == policy.GateShut && !s.heldBack {
		s.heldBack, s.left = true, s.sofar()
	}
	if to == policy.GateReentry {
		s.asking = s.heldBack
	}
}

// turn follows the circuit.
func (s *stage) turn(to policy.State) {
	s.circuit = to
	if to == policy.Open {
		s.left = s.sofar()
	}
	if to == policy.HalfOpen {
		s.print.event(s.sofar().since(s.left))
	}
}

// sofar returns what was counted until now.
func (s *stage) sofar() rest {
	return rest{asked: s.crm.count(), answered: s.tally.answered}
}

// advance begins the next scene if the event ends the present one.
func (s *stage) advance(e event) {
	if s.at == len(s.scenes) || !s.scenes[s.at].until(e) {
		return
	}
	if s.times++; s.times < s.scenes[s.at].times {
		return
	}
	if s.at++; s.at == len(s.scenes) {
		close(s.over)
		return
	}
	s.open()
}

// overdue says which scene did not end within the limit.
func (s *stage) overdue(limit time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == len(s.scenes) {
		return fmt.Errorf("the last answers did not come within %v", limit)
	}
	return fmt.Errorf("the scene %q did not end within %v", s.scenes[s.at].title, limit)
}

// end prints the table and returns what it shows. Later events go nowhere.
func (s *stage) end() tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.tally.requests, s.tally.lookups = s.crm.count(), s.genesys.count()
	s.print.table(s.tally)
	return s.tally
}
