package config

import (
	"reflect"
	"slices"
	"strings"
	"sync"
)

// unknownHint says what an unknown key was probably meant to be. The meant key
// is empty unless the hint names a key that is valid here.
func unknownHint(key string, t reflect.Type) (hint, meant string) {
	fields := fieldsOf(t)
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	places := containers()[key]
	isPolicy := slices.Contains(places, "defaults")
	for _, f := range fields {
		if isPolicy {
			break
		}
		if inner := structIn(f.typ); inner != nil {
			if _, ok := fieldNamed(inner, key); ok {
				return "it belongs in " + f.key, ""
			}
		}
	}
	near, distance := nearest(key, keys)
	switch {
	case near != "" && (distance <= 1 || len(places) == 0):
		return `did you mean "` + near + `"?`, near
	case len(places) > 0 && len(places) <= 3:
		return "it belongs in " + alternatives(places), ""
	case near != "":
		return `did you mean "` + near + `"?`, near
	case len(keys) <= 8:
		return "known here: " + strings.Join(keys, ", "), ""
	}
	return "", ""
}

// alternatives joins words as in "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// structIn returns the struct type that a value of type t is or points to.
func structIn(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && !isScalar(t) {
		return t
	}
	return nil
}

// containers lists for every key of the document where it is valid, as a reader
// would say it.
var containers = sync.OnceValue(func() map[string][]string {
	found := map[string][]string{}
	walk(reflect.TypeFor[Config](), "", func(container string, f field) {
		if place := sayContainer(container); !slices.Contains(found[f.key], place) {
			found[f.key] = append(found[f.key], place)
		}
	})
	return found
})

func sayContainer(container string) string {
	switch container {
	case "":
		return "the top level"
	case "upstreams.*":
		return "an upstream"
	case "upstreams.*.policy":
		return "an upstream's policy"
	case "routes[]":
		return "a route"
	}
	for _, policy := range []string{"defaults.", "upstreams.*.policy.", "routes[]."} {
		if block, ok := strings.CutPrefix(container, policy); ok {
			return block
		}
	}
	return strings.TrimPrefix(container, "upstreams.*.")
}

// nearest returns the candidate that is a typo away from text, and how far. It is
// empty if none is near.
func nearest(text string, candidates []string) (string, int) {
	best, bestDistance := "", max(1, len(text)/3)+1
	for _, c := range candidates {
		d := distance(fold(text), fold(c))
		if len(text) >= 3 && d > 1 && strings.HasPrefix(c, text+"_") {
			d = 1
		}
		if d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best, bestDistance
}

// fold drops what differs between maxRetries, max-retries and max_retries.
func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}

// distance is the number of insertions, deletions, substitutions and swaps of
// neighbours between a and b. Texts of more than 64 bytes are far from all.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var before, row []int
	for j := range len(b) + 1 {
		row = append(row, j)
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
