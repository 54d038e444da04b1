package node

import (
	"slices"
	"strings"
	"testing"

	"conclave/group"
	"conclave/keys"
)

func (p *player) message(gid, id string) MessageInfo {
	p.t.Helper()
	all, err := p.Message(within(p.t), gid, id)
	ok(p.t, err)
	if len(all) != 1 {
		p.t.Fatalf("%d messages of one ID", len(all))
	}
	return all[0]
}

// reader finds somebody among those who could read a message.
func (m MessageInfo) reader(p *player) (Reader, bool) {
	i := slices.IndexFunc(m.Readers, func(r Reader) bool { return r.PeerID == p.id() })
	if i < 0 {
		return Reader{}, false
	}
	return m.Readers[i], true
}

func TestWhoCanReadAMessage(t *testing.T) {
	ann := inMemory(t, "ann")
	bob, carol := inMemory(t, "bob", ann), inMemory(t, "carol", ann)
	for history, later := range map[string]bool{"none": false, "all": true} {
		gid := newGroup(t, CreateGroup{Name: history, History: history}, ann, bob)
		agree(t, gid, ann, bob)
		sent := ann.say(gid, "for two")
		bob.reads(gid, "for two")
		await(t, "the message at bob, as ann knows", func() bool {
			bob.roomOf(gid).syncer.kick()
			ann.roomOf(gid).syncer.kick()
			return ann.message(gid, sent.MessageID).State == "delivered"
		})
		m := ann.message(gid, sent.MessageID)
		if m.Sender != ann.id() || !m.Encrypted || m.EID == nil || *m.EID != *sent.EID || m.Seq == nil || *m.Seq != 1 || m.Hash == nil || len(m.Readers) != 2 {
			t.Errorf("history %s: %+v", history, m)
		}
		if r, in := m.reader(bob); !in || r.Later != later || r.Delivered == nil || !*r.Delivered || r.Role != "member" {
			t.Errorf("history %s: bob is %+v", history, r)
		}
		letIn(t, ann, carol, gid)
		m = ann.message(gid, sent.MessageID)
		if r, in := m.reader(carol); in != later || r.Later != later || strings.Contains(m.Says, "came later") != later {
			t.Errorf("history %s: carol, who came later, is %+v of %q", history, r, m.Says)
		}
		_, err := ann.Kick(within(t), gid, bob.id())
		ok(t, err)
		m = ann.message(gid, sent.MessageID)
		if r, in := m.reader(bob); !in || r.Role != "none" {
			t.Errorf("history %s: bob, who is out since, is %+v", history, r)
		}
		await(t, "a key without bob at carol", func() bool {
			ks, err := carol.Keys(within(t), gid)
			ok(t, err)
			return slices.ContainsFunc(ks, func(k Key) bool { return k.Current && k.Reason == "removed" })
		})
		said := carol.say(gid, "without bob")
		if m := carol.message(gid, said.MessageID); len(m.Readers) != 2 {
			t.Errorf("history %s: %d readers without bob", history, len(m.Readers))
		} else if _, in := m.reader(bob); in {
			t.Errorf("history %s: bob reads what is said after him", history)
		}
		ann.reads(gid, "without bob")
		if m := ann.message(gid, said.MessageID); m.State != "received" || m.Readers[0].Delivered != nil {
			t.Errorf("history %s: another's message is %+v", history, m)
		}
		plain, err := ann.Send(within(t), gid, []string{"for all"}, true, true)
		ok(t, err)
		if m := ann.message(gid, plain[0].MessageID); m.Encrypted || m.Readers != nil || m.EID != nil || !strings.Contains(m.Says, "can read it") {
			t.Errorf("a plain message is %+v", m)
		}
	}
}

func TestMessagesThatAreNotThere(t *testing.T) {
	ann := inMemory(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	for id, want := range map[string]Kind{"": KindUsage, "xyz": KindUsage, strings.Repeat("A", 32): KindUsage, strings.Repeat("a", 32): NotFound, strings.Repeat("a", 34): KindUsage} {
		if _, err := ann.Message(within(t), gid, id); KindOf(err) != want {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := ann.Message(within(t), "no-such-group", strings.Repeat("a", 32)); KindOf(err) != NotFound {
		t.Errorf("in no group: %v", err)
	}
	x := newPuppet(t).me().String()
	d, err := ann.DM(within(t), x, "a word")
	ok(t, err)
	_, err = ann.DM(within(t), x, "another")
	ok(t, err)
	if m := ann.message(d.GroupID, d.MessageID); m.State != "held" || m.Seq != nil || m.Hash != nil || m.Readers != nil || !strings.Contains(m.Says, "held") {
		t.Errorf("a held message is %+v", m)
	}
}

// Two people who give one ID to their messages do not hide each other's.
func TestOneIDOfTwoPeople(t *testing.T) {
	ann := inMemory(t, "ann")
	bob := inMemory(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	agree(t, gid, ann, bob)
	sent := ann.say(gid, "mine")
	bob.reads(gid, "mine")
	id, err := keys.ParseItemID(sent.MessageID)
	ok(t, err)
	_, err = bob.roomOf(gid).act(within(t), group.Send{Items: []group.Item{{ID: id, Text: "mine too"}}})
	ok(t, err)
	ann.reads(gid, "mine", "mine too")
	all, err := ann.Message(within(t), gid, sent.MessageID)
	ok(t, err)
	if len(all) != 2 || all[0].Sender == all[1].Sender {
		t.Errorf("%+v", all)
	}
}

// TestMessageDeliveredToSome: a message that one of two members is known to hold is
// not delivered yet.
func TestMessageDeliveredToSome(t *testing.T) {
	ann, x := member(t)
	gid := x.gid.String()
	bob := inMemory(t, "bob", ann)
	letIn(t, ann, bob, gid)
	sent := ann.say(gid, "hello")
	bob.reads(gid, "hello")
	await(t, "the message at bob, as ann knows", func() bool {
		bob.roomOf(gid).syncer.kick()
		ann.roomOf(gid).syncer.kick()
		r, in := ann.message(gid, sent.MessageID).reader(bob)
		return in && *r.Delivered
	})
	if m := ann.message(gid, sent.MessageID); m.State != "sent" {
		t.Errorf("%+v", m)
	}
}

// TestMessageBeyondACutIsNotThere: what a member said that its removal cut away is
// not shown by its ID either.
func TestMessageBeyondACutIsNotThere(t *testing.T) {
	ann, x := member(t)
	gid := x.gid.String()
	bob := inMemory(t, "bob", ann)
	letIn(t, ann, bob, gid)
	agree(t, gid, ann, bob)
	owner := ann.twin(gid)
	ok(t, ann.down())
	said := line("hello")
	said.Plain = true
	rd, err := x.step(said)
	ok(t, err)
	bob.receives(gid, rd.Batch.Messages[0].Payload)
	id := said.Items[0].ID.String()
	bob.message(gid, id)
	bob.receives(gid, owner.does(group.Remove{Peer: x.me()})...)
	if all, err := bob.Message(within(t), gid, id); KindOf(err) != NotFound {
		t.Errorf("%+v, %v", all, err)
	}
}
