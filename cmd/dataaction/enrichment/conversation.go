package enrichment

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// noAction is the last action of a conversation of which none is known.
const noAction = "none"

// A conversation is what Genesys Cloud knows of one. The zero value is one that
// was not asked for.
type conversation struct {
	reply
	lastAction string // empty: none is known
}

// findConversation asks Genesys Cloud for the details of a conversation.
func (h *Handler) findConversation(ctx context.Context, id string, c *caller) conversation {
	found := conversation{reply: h.genesys.get(ctx, "/api/v2/analytics/conversations/"+id+"/details", c)}
	if found.result.answered() {
		found.read()
	}
	h.metrics.lookups[genesysTarget][found.result].Inc()
	return found
}

// read takes the last action from the body.
func (c *conversation) read() {
	var details *struct {
		Participants []struct {
			Sessions []struct {
				Segments []segment `json:"segments"`
			} `json:"sessions"`
		} `json:"participants"`
	}
	if json.Unmarshal(c.body, &details) != nil || details == nil {
		c.result, c.err = resultMalformed, errors.New("the answer is not a conversation")
		return
	}
	var last *segment
	for _, participant := range details.Participants {
		for _, session := range participant.Sessions {
			for _, segment := range session.Segments {
				if segment.Type != "" && (last == nil || !segment.before(last)) {
					last = &segment
				}
			}
		}
	}
	if last != nil {
		c.lastAction = last.Type
	}
}

// action is the last action in the words of the Data Action.
func (c *conversation) action() string {
	if c.lastAction == "" {
		return noAction
	}
	return c.lastAction
}

// A segment is a stretch of time in which a participant does one thing:
// segments of several participants overlap.
type segment struct {
	Type  string  `json:"segmentType"`
	Start instant `json:"segmentStart"`
	End   instant `json:"segmentEnd"` // zero while it goes on
}

// before reports whether s is earlier than other: it began earlier, or began
// with it and ended earlier. By their ends alone, a caller who hangs up after the
// agent has gone would be later than the agent's wrap-up.
func (s *segment) before(other *segment) bool {
	if !s.Start.Equal(other.Start.Time) {
		return s.Start.Before(other.Start.Time)
	}
	if s.End.IsZero() || other.End.IsZero() {
		return other.End.IsZero() && !s.End.IsZero()
	}
	return s.End.Before(other.End.Time)
}

// An instant is a time of which the zero value is not known. One that cannot be read
// is not known either: it is no reason to lose the conversation.
type instant struct{ time.Time }

// UnmarshalJSON implements [json.Unmarshaler]. It never fails.
func (i *instant) UnmarshalJSON(text []byte) error {
	if i.Time.UnmarshalJSON(text) != nil {
		i.Time = time.Time{}
	}
	return nil
}
