package config_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/fender-proxy/fender/proxy/config"
)

func TestSecretIsNeverShown(t *testing.T) {
	s := config.NewSecret("the value")
	if got := s.Reveal(); got != "the value" {
		t.Errorf("got %q from Reveal", got)
	}
	marshalled, err := json.Marshal(map[string]config.Secret{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(marshalled), `{"s":"[redacted]"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s); got != config.Redacted {
			t.Errorf("%s: got %s, want %s", verb, got, config.Redacted)
		}
	}
	if got := config.NewSecret("").String(); got != "" {
		t.Errorf("got %q for an empty one, want nothing", got)
	}
}
