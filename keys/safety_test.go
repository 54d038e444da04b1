package keys

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var sixtyDigits = regexp.MustCompile(`^[0-9]{5}( [0-9]{5}){11}$`)

func TestSafetyNumber(t *testing.T) {
	a, b, c := testIdentity(1).PeerID(), testIdentity(2).PeerID(), testIdentity(3).PeerID()
	ab := SafetyNumber(a, b)
	if !sixtyDigits.MatchString(ab) {
		t.Errorf("form of %q", ab)
	}
	if ab != SafetyNumber(b, a) {
		t.Error("the two sides see different numbers")
	}
	if ab == SafetyNumber(a, c) || ab == SafetyNumber(b, c) {
		t.Error("different people, same number")
	}
	halves := []string{ab[:35], ab[36:]}
	if !slices.IsSorted(halves) || halves[0] == halves[1] {
		t.Errorf("halves %q", halves)
	}
	if ac := SafetyNumber(a, c); !slices.ContainsFunc(halves, func(h string) bool { return strings.Contains(ac, h) }) {
		t.Error("a person's half depends on the other person")
	}
}

func TestGroupSafetyNumber(t *testing.T) {
	a, b, c := testIdentity(1).PeerID(), testIdentity(2).PeerID(), testIdentity(3).PeerID()
	gid, order := testHash(1), []PeerID{c, a, b}
	all := GroupSafetyNumber(gid, order, a)
	if !sixtyDigits.MatchString(all) {
		t.Errorf("form of %q", all)
	}
	if !slices.Equal(order, []PeerID{c, a, b}) {
		t.Error("the caller's slice was sorted")
	}
	for _, same := range [][]PeerID{{a, b, c}, {c, b, a}, {a, b, c, a}} {
		if GroupSafetyNumber(gid, same, a) != all {
			t.Errorf("order or repetition of %v counts", same)
		}
	}
	for name, other := range map[string]string{
		"owner":        GroupSafetyNumber(gid, order, b),
		"group":        GroupSafetyNumber(testHash(2), order, a),
		"one less":     GroupSafetyNumber(gid, []PeerID{a, b}, a),
		"nobody":       GroupSafetyNumber(gid, nil, a),
		"other member": GroupSafetyNumber(gid, []PeerID{a, b, testIdentity(4).PeerID()}, a),
	} {
		if other == all {
			t.Errorf("%s does not count", name)
		}
	}
}
