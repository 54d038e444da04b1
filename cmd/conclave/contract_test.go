package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// checkTypes holds one JSON object of stdout to the types that scripts rely on.
// Whatever is listed may also be null, save the arrays and the booleans.
func checkTypes(object map[string]any) error {
	for name, v := range object {
		if ok, listed := fits(name, v); listed && !ok {
			return fmt.Errorf("field %s is %v (%T)", name, v, v)
		}
	}
	return nil
}

// fits reports whether v may be the value of a field, and whether the contract
// says anything of that field.
func fits(name string, v any) (ok, listed bool) {
	in := func(names string) bool { return slices.Contains(strings.Fields(names), name) }
	switch {
	case in("epoch seq peers groups members"):
		_, ok = v.(float64)
		return ok || v == nil, true
	case in("encrypted e2ee current online self verified"):
		_, ok = v.(bool)
		return ok, true
	case in("holders missing addrs"):
		_, ok = v.([]any)
		return ok, true
	}
	pattern, listed := map[string]string{
		"group_id": "[0-9a-f]{64}", "eid": "[0-9a-f]{64}", "invite_id": "[0-9a-f]{64}", "message_id": "[0-9a-f]{32}",
		"peer_id": "[1-9A-HJ-NP-Za-km-z]{52}", "owner_peer_id": "[1-9A-HJ-NP-Za-km-z]{52}",
		"time":   `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`,
		"marked": "no|soft|hard", "role": "owner|deputy|member|none", "kind": "message|unreadable|gap|event",
		"reason": "(?s).*",
	}[name]
	s, isText := v.(string)
	return v == nil || isText && regexp.MustCompile("^(?:"+pattern+")$").MatchString(s), listed
}

func TestContractTypes(t *testing.T) {
	for _, c := range []struct {
		name string
		v    any
		ok   bool
	}{
		{"epoch", 1.0, true}, {"epoch", nil, true}, {"epoch", "1", false}, {"self", nil, false}, {"self", true, true},
		{"holders", nil, false}, {"holders", []any{}, true}, {"group_id", strings.Repeat("a", 64), true},
		{"group_id", strings.Repeat("A", 64), false}, {"time", "2026-11-20T09:12:00.000Z", true},
		{"time", "2026-11-20T09:12:00Z", false}, {"marked", "maybe", false}, {"text", 1.0, true},
	} {
		if err := checkTypes(map[string]any{c.name: c.v}); (err == nil) != c.ok {
			t.Errorf("%s %v: %v", c.name, c.v, err)
		}
	}
}
