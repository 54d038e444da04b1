package node

import (
	"fmt"
	"reflect"
	"testing"
)

// TestLogBackwards: what stands before a line is the same as what stands there
// when the log is read from its beginning, also within a record of several
// lines.
func TestLogBackwards(t *testing.T) {
	ann := inMemory(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	for i := range 3 {
		texts := make([]string, 7)
		for k := range texts {
			texts[k] = fmt.Sprintf("line %d.%d", i, k)
		}
		_, err := ann.Send(within(t), gid, texts, false, true)
		ok(t, err)
	}
	all, err := ann.Log(within(t), gid, LogQuery{})
	ok(t, err)
	if len(all) < 21 {
		t.Fatalf("%d lines", len(all))
	}
	for _, limit := range []int{1, 3, 10, maxLogPage} {
		for i, l := range all {
			got, err := ann.Log(within(t), gid, LogQuery{Before: l.Cursor, Limit: limit})
			ok(t, err)
			if want := all[max(0, i-limit):i]; len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("%d before line %d of %d: %d lines, %d wanted", limit, i, len(all), len(got), len(want))
			}
		}
		got, err := ann.Log(within(t), gid, LogQuery{Before: EndCursor, Limit: limit})
		ok(t, err)
		if want := all[max(0, len(all)-limit):]; !reflect.DeepEqual(got, want) {
			t.Errorf("%d before the end: %d lines", limit, len(got))
		}
	}
	if _, err := ann.Log(within(t), gid, LogQuery{Before: "nonsense"}); KindOf(err) != KindUsage {
		t.Errorf("a cursor that is none: %v", err)
	}
}
