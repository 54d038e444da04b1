package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// unread waits until so many messages are unread at p.
func (p *player) unread(gid string, want int) (g GroupInfo) {
	p.t.Helper()
	await(p.t, fmt.Sprintf("%d unread at %s", want, p.name), func() (is bool) {
		var err error
		g, err = p.Group(within(p.t), gid)
		ok(p.t, err)
		return g.Unread == want
	})
	return g
}

func (p *player) readUpTo(gid, cursor string) ReadMark {
	p.t.Helper()
	m, err := p.Read(within(p.t), gid, cursor)
	ok(p.t, err)
	return m
}

// TestReadMark: what others said after the mark is unread, until it is read; the
// mark moves on, never back, and other doors hear of it. A restart and a restored
// backup keep it.
func TestReadMark(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	ann.say(gid, "one of her own")
	if g := ann.unread(gid, 0); g.Read != nil {
		t.Errorf("read up to %q before anybody said so", *g.Read)
	}
	texts := make([]string, 150)
	for i := range texts {
		texts[i] = fmt.Sprint("line ", i)
	}
	_, err := bob.Send(within(t), gid, texts, false, true)
	ok(t, err)
	await(t, "all lines", func() bool { return len(ann.texts(gid)) == 151 })
	ann.unread(gid, 100)
	s, err := ann.Status(within(t))
	ok(t, err)
	if s.Unread != 100 {
		t.Errorf("status tells of %d unread", s.Unread)
	}

	ctx, stop := context.WithCancel(within(t))
	defer stop()
	events, err := ann.Events(ctx, 0)
	ok(t, err)
	log := ann.messages(gid)
	log = slices.DeleteFunc(log, func(l LogLine) bool { return *l.Sender == ann.id() })
	if m := ann.readUpTo(gid, log[99].Cursor); m.Unread != 50 || *m.Read != log[99].Cursor {
		t.Errorf("%+v", m)
	}
	e := take(t, "news of the mark", events)
	var told ReadMark
	if ok(t, json.Unmarshal(e.Data, &told)); e.Kind != "read" || e.GroupID != gid || told.Unread != 50 {
		t.Errorf("%+v %s", e, e.Data)
	}
	for _, back := range []string{log[99].Cursor, log[98].Cursor, log[0].Cursor} {
		if m := ann.readUpTo(gid, back); m.Unread != 50 || *m.Read != log[99].Cursor {
			t.Errorf("back to %s: %+v", back, m)
		}
	}
	if _, err := ann.Read(within(t), gid, "nonsense"); KindOf(err) != KindUsage {
		t.Errorf("a cursor of nothing: %v", err)
	}
	bob.say(gid, "one more")
	ann.unread(gid, 51)

	backup := ann.backUp()
	ok(t, ann.down())
	ann.up(bob)
	ann.unread(gid, 51)
	if m := ann.readUpTo(gid, "/o/ffffffffffffffff/m/x/x/x/x#0"); m.Unread != 0 {
		t.Errorf("%+v", m)
	}
	bob.say(gid, "after a mark that nobody can reach")
	ann.unread(gid, 1)
	if m := ann.readUpTo(gid, ""); m.Unread != 0 {
		t.Errorf("%+v", m)
	}

	ok(t, ann.down())
	ok(t, bob.down())
	again, _ := restored(t, "again", backup)
	again.up()
	if g := again.unread(gid, 51); g.Read == nil || *g.Read != log[99].Cursor {
		t.Errorf("%+v", g)
	}
}

// TestReadMarkOfWhatComesLate: a message that takes a place before the mark was
// not read, also after a restart. Whoever looks has read it.
func TestReadMarkOfWhatComesLate(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	ann.say(gid, "first")
	bob.reads(gid, "first")
	agree(t, gid, ann, bob)
	ok(t, ann.down())
	bob.say(gid, "said alone")
	ok(t, bob.down())
	ann.up()
	for _, text := range []string{"a", "b", "c"} {
		ann.say(gid, text)
	}
	end := *ann.readUpTo(gid, "").Read
	bob.up(ann)
	ann.unread(gid, 1)
	if log := ann.texts(gid); log[len(log)-1] != "c" {
		t.Fatalf("%q: what came late stands last", log)
	}
	if m := ann.readUpTo(gid, ann.messages(gid)[0].Cursor); m.Unread != 1 {
		t.Errorf("read by going back: %+v", m)
	}
	ok(t, ann.down())
	ann.up(bob)
	ann.unread(gid, 1)
	late := ann.messages(gid)[slices.Index(ann.texts(gid), "said alone")].Cursor
	if m := ann.readUpTo(gid, late); m.Unread != 0 || *m.Read != end {
		t.Errorf("%+v", m)
	}
}
