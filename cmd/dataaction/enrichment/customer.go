package enrichment

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// A customer is what the CRM, or whoever stood in for it, knows of a contact.
type customer struct {
	reply
	name, tier *string // nil: not known
}

// findCustomer looks a contact up in the CRM.
func (h *Handler) findCustomer(ctx context.Context, id string, c *caller) customer {
	found := customer{reply: h.crm.get(ctx, "/v1/customers/"+id, c)}
	if found.result.answered() {
		found.read()
	}
	h.metrics.lookups[crmTarget][found.result].Inc()
	return found
}

// read takes name and tier from the body. The name in a stand-in that is the same for
// every contact is a notice at best.
func (c *customer) read() {
	var record *struct {
		Name *string `json:"name"`
		Tier *string `json:"tier"`
	}
	if json.Unmarshal(c.body, &record) != nil || record == nil {
		c.result, c.err = resultMalformed, errors.New("the answer is not a customer")
		return
	}
	c.tier = record.Tier
	if c.result != resultFallback {
		c.name = record.Name
	}
}

// isFallback reports whether what is known was not just said by the CRM.
func (c *customer) isFallback() bool {
	return c.result == resultFallback || c.result == resultStale
}

// trouble returns why there is nothing to answer with, nil if there is: a
// contact that the CRM does not know is an answer.
func (c *customer) trouble() *problem {
	trouble := &problem{status: http.StatusInternalServerError}
	switch c.result {
	case resultTimeout, resultCanceled:
		trouble.code, trouble.message = "crm_timeout", "the CRM did not answer in time"
	case resultUnreachable:
		trouble.code, trouble.message = "crm_unreachable", "the CRM could not be reached"
	case resultFailed:
		trouble.code, trouble.message = "crm_failed", "the CRM gave no answer that can be used"
	case resultMalformed:
		trouble.code, trouble.message = "crm_malformed", "the CRM's answer could not be understood"
	default:
		return nil
	}
	return trouble
}
