package demo

import (
	"context"
	"time"

	"github.com/fender-proxy/fender/cmd/dataaction/enrichment"
)

// handler is the real Data Action handler behind a listener. It has neither the
// CRM's key nor a token of Genesys Cloud's.
type handler struct {
	*server
	action *enrichment.Handler
}

// startHandler serves those who show the token, and answers within the timeout.
// Both APIs are the sidecar's.
func startHandler(ctx context.Context, sidecarURL, token string, timeout time.Duration) (*handler, error) {
	base, err := enrichment.ParseBaseURL(sidecarURL)
	if err != nil {
		return nil, err
	}
	l, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	action := enrichment.New(enrichment.Config{CRM: base, Genesys: base, Timeout: timeout, Token: token})
	return &handler{serve(l, action), action}, nil
}

func (h *handler) close() {
	h.server.close()
	h.action.Close()
}
