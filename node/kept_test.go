package node

import (
	"fmt"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
)

// waiting lists who waits for an answer at p, with who kept the request.
func (p *player) waiting(gid string) map[string]string {
	p.t.Helper()
	qs, err := p.Requests(within(p.t), gid)
	ok(p.t, err)
	out := map[string]string{}
	for _, q := range qs {
		out[q.PeerID] = ""
		if q.KeptBy != nil {
			out[q.PeerID] = *q.KeptBy
		}
	}
	return out
}

func (p *player) isIn(gid string) bool {
	h, err := keys.ParseHash(gid)
	ok(p.t, err)
	return p.memberOf(within(p.t), h)
}

// asleep makes a group of ann's with bob in it, and ends ann's node.
func asleep(t *testing.T) (ann, bob *player, gid string) {
	ann = newPlayer(t, "ann")
	bob = newPlayer(t, "bob", ann)
	gid = newGroup(t, CreateGroup{}, ann, bob)
	ok(t, ann.down())
	return ann, bob, gid
}

// TestKept_ForTheOwner: somebody asks a member, by the group's name, while the
// owner is away. The member keeps the request, across a restart, the owner finds
// it when she is back, and the joiner comes in by the member.
func TestKept_ForTheOwner(t *testing.T) {
	ann, bob, gid := asleep(t)
	cem := newPlayer(t, "cem", bob)
	asked, err := cem.Join(within(t), bob.id(), "team", "it is me", false)
	ok(t, err)
	if asked.State != stateRequested || !asked.Kept || asked.GroupID == nil || *asked.GroupID != gid {
		t.Errorf("the answer is %+v", asked)
	}
	if got := bob.waiting(gid); len(got) != 0 {
		t.Errorf("a member who may not approve is shown %v", got)
	}
	ok(t, bob.down())
	bob.up()
	ok(t, cem.net.Remember(bob.me, bob.net.Addrs()...)) // his port is another one now
	called := func(name string) func() bool {
		return func() bool {
			qs, err := ann.Requests(within(t), gid)
			ok(t, err)
			return ann.waiting(gid)[cem.id()] == bob.id() && len(qs) == 1 && qs[0].Name != nil && *qs[0].Name == name
		}
	}
	_, err = cem.SetName(within(t), "cem") // while the request waits
	ok(t, err)
	await(t, "bob to hear the name", func() (heard bool) {
		ok(t, bob.roomOf(gid).look(within(t), func(*group.Machine) { heard = bob.roomOf(gid).kept.requests[cem.me].Called == "cem" }))
		return heard
	})
	ann.up(bob)
	await(t, "the request at ann", called("cem"))
	_, err = cem.SetName(within(t), "Cem")
	ok(t, err)
	await(t, "the other name at ann", called("Cem"))
	got, err := ann.Approve(within(t), gid, cem.id())
	ok(t, err)
	if got.KeptBy == nil || *got.KeptBy != bob.id() || got.Note != "it is me" || *got.Name != "Cem" {
		t.Errorf("approved: %+v", got)
	}
	await(t, "cem in the group", func() bool { return cem.isIn(gid) })
	ann.say(gid, "welcome")
	cem.reads(gid, "welcome")
	if len(ann.waiting(gid)) != 0 {
		t.Error("the request still waits")
	}
	await(t, "bob to let go of it", func() bool {
		n := -1
		ok(t, bob.roomOf(gid).look(within(t), func(*group.Machine) { n = len(bob.roomOf(gid).kept.requests) }))
		return n == 0
	})
}

// TestKept_Declined: the joiner hears of it from the member that it asked; what
// was declined is not shown again when that member gives it again, and a new wish
// of the person is.
func TestKept_Declined(t *testing.T) {
	ann, bob, gid := asleep(t)
	cem := newPlayer(t, "cem", bob)
	_, err := cem.Join(within(t), bob.id(), gid, "", false)
	ok(t, err)
	var rec []byte
	room := bob.roomOf(gid)
	ok(t, room.look(within(t), func(*group.Machine) { rec = room.kept.requests[cem.me].Record }))
	ann.up(bob)
	await(t, "the request at ann", func() bool { return ann.waiting(gid)[cem.id()] == bob.id() })
	_, err = ann.Decline(within(t), gid, cem.id())
	ok(t, err)
	await(t, "bob to hear of it", func() (declined bool) {
		ok(t, room.look(within(t), func(*group.Machine) { declined = room.kept.requests[cem.me].Declined }))
		return declined
	})
	cem.wakeAskers()
	await(t, "cem to hear of it", func() bool {
		js, err := cem.Joins(within(t))
		ok(t, err)
		return js[0].State == stateDeclined
	})
	ok(t, ann.roomOf(gid).take(within(t), bob.me, rec))
	if len(ann.waiting(gid)) != 0 {
		t.Error("what was declined is shown again")
	}
	_, err = cem.Join(within(t), bob.id(), gid, "once more", false)
	ok(t, err)
	await(t, "the new wish at ann", func() bool { return ann.waiting(gid)[cem.id()] == bob.id() })
}

// TestKept_GivenToApproversAlone: neither a stranger nor another member is told
// who asked.
func TestKept_GivenToApproversAlone(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	dan := newPlayer(t, "dan", ann, bob)
	eve := newPlayer(t, "eve", bob)
	gid := newGroup(t, CreateGroup{}, ann, bob, dan)
	agree(t, gid, ann, bob, dan)
	ok(t, ann.down())
	cem := newPlayer(t, "cem", bob)
	_, err := cem.Join(within(t), bob.id(), gid, "", false)
	ok(t, err)
	h, err := keys.ParseHash(gid)
	ok(t, err)
	for who, p := range map[string]*player{"a stranger": eve, "a member": dan} {
		ok(t, p.net.Connect(within(t), bob.me, bob.net.Addrs()...))
		for _, ask := range []keptAsk{{GID: h}, {GID: h, Answered: []keptAnswered{{Peer: cem.me, Until: 1 << 60}}}} {
			s, err := p.net.Open(within(t), bob.me, protoKept)
			ok(t, err)
			ok(t, put(s, ask))
			var got keptAnswer
			ok(t, get(s, &got))
			s.Close()
			if len(got.Records) != 0 {
				t.Errorf("%s is given %d requests", who, len(got.Records))
			}
		}
	}
	ok(t, bob.roomOf(gid).look(within(t), func(*group.Machine) {
		if q := bob.roomOf(gid).kept.requests[cem.me]; len(q.Record) == 0 || q.Declined {
			t.Error("somebody else answered the request")
		}
	}))
}

// TestKept_ADeputyTakesIt: a deputy who may approve finds the request as well.
func TestKept_ADeputyTakesIt(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	dan := newPlayer(t, "dan", ann, bob)
	gid := newGroup(t, CreateGroup{}, ann, bob, dan)
	_, err := ann.AddDeputy(within(t), gid, dan.id(), []string{"approve"})
	ok(t, err)
	for _, p := range []*player{bob, dan} {
		await(t, "the deputy at "+p.name, func() (is bool) {
			ok(t, p.roomOf(gid).look(within(t), func(m *group.Machine) { is = m.Approves(dan.me) }))
			return is
		})
	}
	ok(t, ann.down())
	cem := newPlayer(t, "cem", bob)
	_, err = cem.Join(within(t), bob.id(), gid, "", false)
	ok(t, err)
	await(t, "the request at dan", func() bool { return dan.waiting(gid)[cem.id()] == bob.id() })
	_, err = dan.Approve(within(t), gid, cem.id())
	ok(t, err)
	await(t, "cem in the group", func() bool { return cem.isIn(gid) })
}

// TestKept_Limits: 32 requests in a group, 4 of one address, those of loopback
// aside; the oldest goes first, and after 30 days everything.
func TestKept_Limits(t *testing.T) {
	k := kept{map[keys.PeerID]keptRequest{}, map[keys.PeerID]answeredRequest{}}
	now := uint64(group.MaxKeptAge * 2)
	put := func(i int, from string) {
		k.requests[keys.PeerID{byte(i), byte(i >> 8)}] = keptRequest{From: from, Since: now + uint64(i)}
		k.prune(now)
	}
	for i := range 10 {
		put(i, "192.0.2.1")
	}
	if _, oldest := k.requests[keys.PeerID{5}]; len(k.requests) != maxKeptOf || oldest {
		t.Errorf("%d of one address are kept", len(k.requests))
	}
	for i := range 100 {
		put(100+i, "")
	}
	if len(k.requests) != maxKept {
		t.Errorf("%d are kept", len(k.requests))
	}
	for i := range 100 {
		put(300+i, fmt.Sprint("192.0.2.", 10+i))
	}
	if _, newest := k.requests[keys.PeerID{143, 1}]; len(k.requests) != maxKept || !newest {
		t.Errorf("%d are kept, with the newest: %v", len(k.requests), newest)
	}
	for i := range 2 * maxAnsweredFor {
		k.answered[keys.PeerID{byte(i), byte(i >> 8)}] = answeredRequest{Until: now + uint64(i)}
	}
	k.prune(now)
	if _, last := k.answered[keys.PeerID{255, 1}]; len(k.answered) != maxAnsweredFor || !last {
		t.Errorf("%d answers are remembered", len(k.answered))
	}
	k.prune(now + 2*group.MaxKeptAge)
	if len(k.requests)+len(k.answered) != 0 {
		t.Error("they are kept for ever")
	}
}

// TestKept_KeeperCannotCrowdOut: a keeper gives a hundred requests of people it
// made up. Four wait at a time, and another's requests keep their place.
func TestKept_KeeperCannotCrowdOut(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	r := ann.roomOf(gid)
	h, err := keys.ParseHash(gid)
	ok(t, err)
	var first []string
	for range 20 {
		id, err := keys.GenerateIdentity()
		ok(t, err)
		b, _, err := keys.GenerateBundle(id, uint64(time.Now().UnixMilli()))
		ok(t, err)
		req := group.JoinRequest{Approver: bob.me, Group: h[:], Bundle: b.Raw(), Time: ann.clock()}
		ok(t, r.take(within(t), bob.me, group.SignJoinRequest(id, req)))
		first = append(first, id.PeerID().String())
	}
	waiting := ann.waiting(gid)
	for _, p := range first[:maxKeptOf] {
		if _, still := waiting[p]; !still || len(waiting) != maxKeptOf {
			t.Errorf("%d requests of one keeper wait, one of the first: %v", len(waiting), still)
		}
	}
}
