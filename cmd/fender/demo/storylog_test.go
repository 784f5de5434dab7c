package demo

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/fender-proxy/fender/policy"
)

func TestTheLogTellsOfTheCircuitAndTheGateAndNothingElse(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	until := at.Add(time.Minute)
	for _, test := range []struct {
		message string
		attrs   []any
		want    event // nil for none
	}{
		{
			"circuit", []any{"upstream", "crm", "from", policy.Closed, "to", policy.Open, "until", until, "consecutive_failures", 3},
			transition{upstream: theCRM, from: policy.Closed, to: policy.Open, at: at, until: until, failures: 3},
		},
		{"circuit", []any{"upstream", "genesys", "from", policy.Open, "to", policy.HalfOpen}, transition{upstream: "genesys", from: policy.Open, to: policy.HalfOpen, at: at}},
		{"gate", []any{"upstream", "crm", "state", policy.GateShut, "until", until, "why", "status 429"}, gateChange{upstream: theCRM, to: policy.GateShut, at: at, until: until}},
		{"gate", []any{"upstream", "crm", "state", policy.GateReentry}, gateChange{upstream: theCRM, to: policy.GateReentry, at: at}},
		{"request", []any{"upstream", "crm", "status", http.StatusOK}, nil},
	} {
		var got event
		record := slog.NewRecord(at, slog.LevelInfo, test.message, 0)
		record.Add(test.attrs[2:]...) // the gates' loggers have theirs already
		of := slog.Any(test.attrs[0].(string), test.attrs[1])
		log := storyLog{report: func(e event) { got = e }}.WithAttrs([]slog.Attr{of})
		if err := log.Handle(t.Context(), record); err != nil || got != test.want {
			t.Errorf("%s %v: got %+v, error %v, want %+v", test.message, test.attrs, got, err, test.want)
		}
	}
}
