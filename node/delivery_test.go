package node

import (
	"testing"
)

// TestDelivery follows a message from its author to everyone, over a restart.
func TestDelivery(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob, cem := newPlayer(t, "bob", ann), newPlayer(t, "cem", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob, cem)
	agree(t, gid, ann, bob, cem)
	events, err := ann.Events(t.Context(), 0)
	ok(t, err)
	ok(t, cem.down())
	ann.say(gid, "who has this?")
	ann.delivered(gid, "sent", 1, 2)
	for e := range events {
		if e.Kind == "delivered" {
			break
		}
	}

	cem.up(ann)
	ann.delivered(gid, "delivered", 2, 2)
	for _, l := range bob.messages(gid) {
		if l.State != nil || l.Delivered != nil || l.Recipients != nil {
			t.Errorf("bob claims to know how far ann's message came: %v", *l.State)
		}
	}

	ok(t, bob.down())
	ok(t, cem.down())
	ok(t, ann.down())
	ann.up()
	ann.delivered(gid, "delivered", 2, 2)
}

// delivered waits until the last message of a group stands so.
func (p *player) delivered(gid, state string, to, of int) {
	p.t.Helper()
	var last LogLine
	defer func() {
		if p.t.Failed() && last.State != nil {
			p.t.Logf("it is %s: %d of %d", *last.State, *last.Delivered, *last.Recipients)
		}
	}()
	await(p.t, "delivery at "+p.name, func() bool {
		all := p.messages(gid)
		last = all[len(all)-1]
		return *last.State == state && *last.Delivered == to && *last.Recipients == of
	})
}

// TestHeldLinesAreListed: what waits in the outbox stands at the end of the log,
// with its reason, and takes its place when it leaves.
func TestHeldLinesAreListed(t *testing.T) {
	ann, bob := newPlayer(t, "ann"), newPlayer(t, "bob")
	sent, err := ann.DM(within(t), bob.id(), "are you there?")
	ok(t, err)
	held := func(last bool) LogLine {
		lines, err := ann.Log(within(t), sent.GroupID, LogQuery{Last: last, Limit: 10})
		ok(t, err)
		if len(lines) == 0 {
			t.Fatal("the log is empty")
		}
		return lines[len(lines)-1]
	}
	for _, last := range []bool{false, true} {
		l := held(last)
		if *l.MessageID != sent.MessageID || *l.Text != "are you there?" || *l.State != "held" || l.Reason == nil || l.Epoch != nil || l.Seq != nil || !l.Encrypted {
			t.Errorf("the held line is %+v", l)
		}
	}
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	ok(t, ann.net.Remember(bob.me, bob.net.Addrs()...))
	_, err = bob.DM(within(t), ann.id(), "")
	ok(t, err)
	await(t, "the line at bob", func() bool { return len(bob.texts(sent.GroupID)) == 1 })
	if l := held(true); *l.State == "held" || *l.MessageID != sent.MessageID {
		t.Errorf("after it left the line is %+v", l)
	}
	if all := ann.messages(sent.GroupID); len(all) != 1 {
		t.Errorf("%d lines, want 1", len(all))
	}
}
