package node

import (
	"slices"
	"testing"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// TestAbuse_RM07_HidingTheRemoval: x was removed while bob was away, and is all
// whom bob meets first. It shows him the log as it was and talks on, and bob, who
// cannot know, reads it. When he hears of the removal that line is gone, and no
// replay, no silence of the others and no restart takes the removal back.
func TestAbuse_RM07_HidingTheRemoval(t *testing.T) {
	ann, bob, x := newPlayer(t, "ann"), newPlayer(t, "bob"), newPuppet(t)
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	gid := newGroup(t, CreateGroup{}, ann, bob)
	ok(t, x.know(ann))
	x.joins(ann, gid)
	agree(t, gid, ann, bob)
	ann.say(gid, "while x was there")
	bob.reads(gid, "while x was there")
	before, err := x.pulls(within(t), ann, new(group.Heights))
	ok(t, err)
	ok(t, bob.down())
	_, err = ann.Kick(within(t), gid, x.me().String())
	ok(t, err)
	agree(t, gid, ann)
	ann.say(gid, "without x")
	ok(t, ann.down())

	bob.up()
	ok(t, x.know(bob))
	replay := func() { // what x is asked for and what it says by itself are judged alike
		verdicts(bob.roomOf(gid), x.me(), before)
		ok(t, bob.roomOf(gid).look(within(t), func(*group.Machine) {}))
	}
	replay()
	said := x.speech(1)
	if v := bob.roomOf(gid).validate(x.me(), said[0]); v != mesh.Accept {
		t.Errorf("bob, who cannot know, says %v of x's line", v)
	}
	bob.reads(gid, "while x was there", "flood 0")

	ann.up(bob)
	gone := func(when string) {
		t.Helper()
		members, err := bob.Members(within(t), gid)
		ok(t, err)
		if slices.ContainsFunc(members, func(m Member) bool { return m.PeerID == x.me().String() }) {
			t.Errorf("%s x is a member", when)
		}
		if texts := bob.texts(gid); slices.Contains(texts, "flood 0") {
			t.Errorf("%s bob reads %q", when, texts)
		}
	}
	await(t, "the removal at bob", func() bool {
		g, err := bob.Group(within(t), gid)
		ok(t, err)
		return g.Members == 2
	})
	bob.reads(gid, "while x was there", "without x")
	gone("after the news")
	ok(t, ann.down())
	settled := bob.state(gid)
	again := func(when string) {
		t.Helper()
		replay()
		bob.roomOf(gid).validate(x.me(), said[0])
		x.comesBack(bob)
		replay()
		gone(when)
		if now := bob.state(gid); now != settled {
			t.Errorf("%s bob's state was\n%s\nis\n%s", when, settled, now)
		}
	}
	again("after a replay")
	ok(t, bob.down())
	bob.up()
	again("after a restart and a replay")
	ann.up(bob)
	agree(t, gid, ann, bob)
	bob.say(gid, "x is gone")
	ann.reads(gid, "x is gone")
}

// TestAbuse_FA12_UnknownKinds: a member of a newer version says what this one does
// not know: a payload of another kind, and an entry of another type that the rest
// of its chain follows. Nobody is blamed, the group goes on, and what rests on it
// waits: nothing is guessed at.
func TestAbuse_FA12_UnknownKinds(t *testing.T) {
	f := newForgers(t)
	unknown, resting := f.x.renamedTwice(24)
	for name, payload := range map[string][]byte{"kind": append([]byte{'Z'}, unknown[1:]...), "type": unknown} {
		if v := f.ann.roomOf(f.gid).validate(f.x.me(), payload); v != mesh.Ignore {
			t.Errorf("a %s that is not known here: %v", name, v)
		}
	}
	f.x.says(resting)
	if _, err := f.ann.roomOf(f.gid).eventsOf(batch{Records: [][]byte{unknown}}); err != nil {
		t.Errorf("catch-up ends at it: %v", err)
	}
	f.unharmed(unknown)
	if d := f.ann.net.Drops(); d.Rejected > 0 {
		t.Errorf("whoever hands on what rests on it is blamed: %+v", d)
	}
	if name := f.ann.nameOf(f.gid, f.x.me()); name != "" {
		t.Errorf("x is called %q", name)
	}
	for _, payload := range verbatim(f.y.renamedTwice(group.TypeProfile)) {
		f.ann.roomOf(f.gid).validate(f.y.me(), payload)
	}
	if name := f.ann.nameOf(f.gid, f.y.me()); name != "twice" {
		t.Errorf("y, whose entries are known, is called %q: the test proves nothing", name)
	}
}

func verbatim(payloads ...[]byte) [][]byte { return payloads }

// renamedTwice has the puppet name itself in two entries, and returns them with
// the type of the first replaced. Nothing is sent.
func (p *puppet) renamedTwice(as group.Type) (first, second []byte) {
	p.t.Helper()
	p.mu.Lock()
	p.publish = func([]byte) bool { return false }
	p.mu.Unlock()
	var entries [2]group.Entry
	for i, name := range []string{"once", "twice"} {
		rd, err := p.step(group.SetName{Name: name})
		ok(p.t, err)
		ok(p.t, keys.Unmarshal(bodyOf(p.t, rd.Publish[0]), &entries[i]))
	}
	p.mu.Lock()
	p.publish = nil
	p.mu.Unlock()
	entries[0].Type = as
	body := keys.Marshal(&entries[0])
	entries[1].Prev = keys.Sum(body)
	return signed(group.KindEntry, p.id, p.gid, body), signed(group.KindEntry, p.id, p.gid, keys.Marshal(&entries[1]))
}

func (p *player) nameOf(gid string, who keys.PeerID) (name string) {
	p.t.Helper()
	ok(p.t, p.roomOf(gid).look(within(p.t), func(m *group.Machine) { name = m.Name(who) }))
	return name
}
