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
	over chan struct{} // closed after the last scene

	mu       sync.Mutex
	print    *printer // nothing is printed after end
	ended    bool
	crm      *crm
	scenes   []scene
	at       int // the present scene
	times    int // that its until has held
	circuit  policy.State
	heldBack bool // the gate was shut, and the CRM has taken no request since
	left     rest // the counts when the CRM was left alone
	tally    tally
}

func newStage(p *printer, c *crm) *stage {
	return &stage{over: make(chan struct{}), print: p, crm: c, circuit: policy.Closed}
}

// introduce says who takes part.
func (s *stage) introduce(sidecarURL, crmURL string, d *demo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.print
	p.printf("%s\n\n", p.colour.paint(bold, "Fender, shown in one process: callers -> sidecar -> CRM"))
	p.printf("    callers  a new one every %v, in a rush every %v, who hangs up after %v\n", d.interval, d.interval/rush, d.patience)
	p.printf("    sidecar  %s, configured by cmd/fender/demo/demo.yaml\n", sidecarURL)
	p.printf("    crm      %s, a stand-in with faults on a schedule\n", crmURL)
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
	s.times = 0
	s.crm.set(now.fault)
	s.print.heading(fmt.Sprintf("%d/%d  %s", s.at+1, len(s.scenes), now.title), now.why)
	if s.at == 0 {
		s.print.columns()
	}
}

// present returns the present scene, after the end the last one.
func (s *stage) present() scene {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scenes[min(s.at, len(s.scenes)-1)]
}

// report is told of every event.
func (s *stage) report(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	switch e := e.(type) {
	case crmAnswer:
		e.probe, e.forAll = s.circuit != policy.Closed, s.heldBack
		s.hear(e)
	case transition:
		s.print.event(e)
		s.turn(e.to)
	case gateChange:
		s.print.event(e)
		if e.to == policy.GateShut && !s.heldBack {
			s.heldBack, s.left = true, s.sofar()
		}
	case answer:
		s.print.event(e)
		s.tally.add(e)
	}
	s.advance(e)
}

// hear is told of every answer of the CRM's. Those that are as usual have no
// line.
func (s *stage) hear(a crmAnswer) {
	taken := a.status == http.StatusOK
	if a.probe || a.forAll || !taken {
		s.print.event(a)
	}
	if turnedAway(a) {
		s.tally.away++
	}
	if a.forAll && taken {
		s.heldBack = false
		s.print.event(s.sofar().since(s.left))
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
	s.tally.requests = s.crm.count()
	s.print.table(s.tally)
	return s.tally
}
