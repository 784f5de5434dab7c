package main

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/dataaction/enrichment"
)

// action is what of an exported action matters here.
type action struct {
	IntegrationType, ActionType string
	Config                      struct {
		TimeoutSeconds int
		Request        struct {
			RequestURLTemplate, RequestType, RequestTemplate string
			Headers                                          map[string]string
		}
		Response struct {
			TranslationMap, TranslationMapDefaults map[string]string
			SuccessTemplate                        string
		}
	}
	Contract struct {
		Input  struct{ InputSchema schema }
		Output struct{ SuccessSchema schema }
	}
}

type schema struct {
	Properties map[string]struct{ Type string }
	Required   []string
}

// TestTheActionToImportFitsTheHandler compares deploy/example/data-action.json
// with itself and with what the handler takes and gives.
func TestTheActionToImportFitsTheHandler(t *testing.T) {
	text, err := os.ReadFile("../../deploy/example/data-action.json")
	if err != nil {
		t.Fatal(err)
	}
	var a action
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	request, response := a.Config.Request, a.Config.Response
	if request.RequestType != "POST" || request.RequestTemplate != "${input.rawRequest}" || !strings.HasSuffix(request.RequestURLTemplate, "/api/v1/dataactions/customer-enrichment") {
		t.Errorf("got a request that the handler does not take: %+v", request)
	}
	if time.Duration(a.Config.TimeoutSeconds)*time.Second <= enrichment.DefaultTimeout {
		t.Errorf("got a timeout of %d s, want one above the handler's %v", a.Config.TimeoutSeconds, enrichment.DefaultTimeout)
	}
	if got := slices.Sorted(maps.Keys(a.Contract.Input.InputSchema.Properties)); !slices.Equal(got, []string{"contactId", "conversationId"}) {
		t.Errorf("got inputs %q, want what the handler reads", got)
	}
	outputs := slices.Sorted(maps.Keys(a.Contract.Output.SuccessSchema.Properties))
	for name, variables := range map[string][]string{
		"translationMap":         slices.Sorted(maps.Keys(response.TranslationMap)),
		"translationMapDefaults": slices.Sorted(maps.Keys(response.TranslationMapDefaults)),
		"successTemplate":        names(`"(\w+)": \$`, response.SuccessTemplate),
	} {
		if !slices.Equal(variables, outputs) {
			t.Errorf("got %q in %s, want the contract's %q", variables, name, outputs)
		}
	}
	if got := names(`\$\{(\w+)\}`, response.SuccessTemplate); !slices.Equal(got, outputs) {
		t.Errorf("got the variables %q in successTemplate, want %q", got, outputs)
	}
}

// names returns what the group of a pattern matches, sorted.
func names(pattern, text string) []string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	slices.Sort(found)
	return found
}
