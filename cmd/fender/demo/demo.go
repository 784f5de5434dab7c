// Package demo shows what Fender does, in one process on loopback: callers, the
// sidecar and a stand-in CRM that fails on a schedule. Every event is a line for
// people to read, and the demo checks that what it announces does happen.
package demo

import (
	"context"
	_ "embed"
	"io"
	"time"
)

//go:embed demo.yaml
var document []byte

// demo is one way to play the schedule.
type demo struct {
	config   []byte        // the sidecar's; it names the CRM ${CRM_URL}
	interval time.Duration // between two callers, but for a rush
	patience time.Duration // after which a caller hangs up
	latency  time.Duration // of the CRM's answers
	hint     time.Duration // that the CRM's 429 asks to wait
	limit    time.Duration // of one schedule
}

// Run plays the schedule on out: once, or again and again until ctx ends, which
// is no error. It fails if something did not happen as announced: a caller got
// no answer that it could use in time, or a scene was not over within a minute.
// When Run returns, its servers have stopped and nothing more is written.
func Run(ctx context.Context, out io.Writer, once bool) error {
	d := demo{
		config:   document,
		interval: 500 * time.Millisecond,
		patience: 4 * time.Second,
		latency:  25 * time.Millisecond,
		hint:     time.Second,
		limit:    time.Minute,
	}
	return d.run(ctx, out, once)
}

func (d *demo) run(ctx context.Context, out io.Writer, once bool) error {
	for {
		_, err := d.play(ctx, out)
		if err != nil || once || ctx.Err() != nil {
			return err
		}
		if _, err := io.WriteString(out, "\nOnce more, with a new sidecar. Ctrl-C ends it.\n\n"); err != nil {
			return err
		}
	}
}

// play plays the schedule once, with everything new, and returns what was
// counted.
func (d *demo) play(parent context.Context, out io.Writer) (tally, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	crmListener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return tally{}, err
	}
	crm := &crm{latency: d.latency, hint: d.hint}
	stage := newStage(&printer{out: out, colour: colourful(out), failed: cancel}, crm)
	crm.report = stage.report
	crmServer := serve(crmListener, crm)
	defer crmServer.close()

	sidecar, err := startSidecar(ctx, d.config, crmServer.url, stage.report)
	if err != nil {
		return tally{}, err
	}
	defer sidecar.close()

	stage.introduce(sidecar.url, crmServer.url, d)
	stage.begin(schedule(sidecar.route, d.hint))
	limit := time.AfterFunc(d.limit, func() { cancel(stage.overdue(d.limit)) })
	defer limit.Stop()
	newCallers(sidecar.url, d, stage).run(ctx, stage.over)
	counted := stage.end()

	switch {
	case parent.Err() != nil:
		return counted, nil
	case ctx.Err() != nil:
		return counted, context.Cause(ctx)
	}
	return counted, counted.check(d.patience)
}
