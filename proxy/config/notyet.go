package config

import "reflect"

// notYet lists the fields that are read but have no effect in this version, each
// with what tells a value that would need it from one that is off. A nil func
// takes every value but the zero one.
var notYet = map[string]func(v reflect.Value) bool{
	"Admin.listen":     nil,
	"Admin.token_file": nil,
	"Admin.pprof":      nil,

	"BreakerPolicy.override": nil,
}

// checkInForce warns of a field that a user set to something that this version
// does not do.
func (d *decoder) checkInForce(v reflect.Value, builtIn any, at place, f field) {
	needs, listed := notYet[f.name()]
	if !listed || reflect.DeepEqual(v.Interface(), builtIn) {
		return
	}
	if needs == nil {
		needs = func(v reflect.Value) bool { return !v.IsZero() }
	}
	if needs(v) {
		d.warn(at, "not yet in force", "")
	}
}
