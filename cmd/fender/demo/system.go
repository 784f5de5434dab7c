package demo

import (
	"context"
	"crypto/rand"
)

// secrets are those that the parts of the system show each other.
type secrets struct {
	apiKey      string // the CRM's
	client      client // Genesys Cloud's
	actionToken string // the handler's
}

func newSecrets() secrets {
	return secrets{rand.Text(), client{rand.Text(), rand.Text()}, rand.Text()}
}

// addresses are the URLs of the parts.
type addresses struct{ handler, sidecar, crm, genesys string }

// system is everybody but the callers.
type system struct {
	crm, genesys *server
	sidecar      *sidecar
	handler      *handler
}

// start starts the system with the stage's CRM and Genesys Cloud.
func (d *demo) start(ctx context.Context, s *stage, secret secrets) (_ *system, err error) {
	sys := new(system)
	defer func() {
		if err != nil {
			sys.close()
		}
	}()
	if sys.crm, err = startServer(ctx, s.crm); err != nil {
		return nil, err
	}
	if sys.genesys, err = startServer(ctx, s.genesys); err != nil {
		return nil, err
	}
	sys.sidecar, err = startSidecar(ctx, d.config, map[string]string{
		"CRM_URL":               sys.crm.url,
		"EXTERNAL_API_KEY":      secret.apiKey,
		"GENESYS_URL":           sys.genesys.url,
		"GENESYS_LOGIN_URL":     sys.genesys.url,
		"GENESYS_CLIENT_ID":     secret.client.id,
		"GENESYS_CLIENT_SECRET": secret.client.secret,
	}, s.report)
	if err != nil {
		return nil, err
	}
	sys.handler, err = startHandler(ctx, sys.sidecar.url, secret.actionToken, d.timeout)
	return sys, err
}

func (s *system) addresses() addresses {
	return addresses{s.handler.url, s.sidecar.url, s.crm.url, s.genesys.url}
}

// close ends what was started, those who ask first.
func (s *system) close() {
	if s.handler != nil {
		s.handler.close()
	}
	if s.sidecar != nil {
		s.sidecar.close()
	}
	if s.genesys != nil {
		s.genesys.close()
	}
	if s.crm != nil {
		s.crm.close()
	}
}
