// Package demo shows what Fender does, in one process on loopback: callers, the
// Data Action handler, the sidecar, and stand-ins for a CRM and for the Genesys
// Cloud Platform API that fail on a schedule. Every event is a line for people to
// read, and the demo checks that what it announces does happen.
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
	config   []byte        // the sidecar's
	interval time.Duration // between two callers, but for a rush
	timeout  time.Duration // of the handler, longer than those of the sidecar's routes
	patience time.Duration // after which a caller hangs up, longer than the timeout
	latency  time.Duration // of the CRM's and of Genesys Cloud's answers
	hint     time.Duration // that the CRM's 429 asks to wait
	allowed  int           // requests a minute with one of Genesys Cloud's tokens
	limit    time.Duration // of one schedule
}

// Run plays the schedule on out: once, or again and again until ctx ends, which
// is no error. It fails if something did not happen as announced: a caller got
// no answer that it could use in time, the sidecar fetched a token too many, or
// the schedule was not over within a minute. When Run returns, its servers have
// stopped and nothing more is written.
func Run(ctx context.Context, out io.Writer, once bool) error {
	d := demo{
		config:   document,
		interval: 500 * time.Millisecond,
		timeout:  5 * time.Second,
		patience: 6 * time.Second,
		latency:  25 * time.Millisecond,
		hint:     time.Second,
		allowed:  300,
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
		if _, err := io.WriteString(out, "\nOnce more, with a new system. Ctrl-C ends it.\n\n"); err != nil {
			return err
		}
	}
}

// play plays the schedule once, with everything new, and returns what was
// counted.
func (d *demo) play(parent context.Context, out io.Writer) (tally, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	secret := newSecrets()
	stage := newStage(
		&printer{out: out, colour: colourful(out), failed: cancel},
		&crm{latency: d.latency, hint: d.hint, key: secret.apiKey},
		&genesys{latency: d.latency, client: secret.client, tokens: tokens{life: tokenLife, most: mostTokens, allowed: d.allowed}},
	)
	system, err := d.start(ctx, stage, secret)
	if err != nil {
		return tally{}, err
	}
	defer system.close()

	stage.introduce(d, system.addresses())
	stage.begin(schedule(system.sidecar.route, d.hint))
	limit := time.AfterFunc(d.limit, func() { cancel(stage.overdue(d.limit)) })
	defer limit.Stop()
	newCallers(system.handler.url, secret.actionToken, d, stage).run(ctx, stage.over)
	counted := stage.end()

	switch {
	case parent.Err() != nil:
		return counted, nil
	case ctx.Err() != nil:
		return counted, context.Cause(ctx)
	}
	return counted, counted.check(d.patience)
}

const (
	// tokenLife is how long Genesys Cloud's tokens are good by default.
	tokenLife = 24 * time.Hour
	// mostTokens is how many of them are good at a time.
	mostTokens = 2
)
