package node

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// keptAt is the request of p that a member keeps, or has taken.
func (p *player) keptAt(gid string, of keys.PeerID) (q keptRequest, is bool) {
	p.t.Helper()
	r := p.roomOf(gid)
	ok(p.t, r.look(within(p.t), func(*group.Machine) { q, is = r.kept.requests[of] }))
	return q, is
}

// asks sends one request to a member by hand, and returns the answer.
func (p *player) asks(at keys.PeerID, req group.JoinRequest) (a joinAnswer) {
	p.t.Helper()
	s, err := p.net.Open(within(p.t), at, protoJoin)
	ok(p.t, err)
	defer s.Close()
	ok(p.t, s.WriteFrame(group.SignJoinRequest(p.self, req)))
	ok(p.t, get(s, &a))
	return a
}

// TestKept_TakenAreNotCounted: what an approver took from keepers has limits of
// its own. Of what is kept here, the address with the most loses first.
func TestKept_TakenAreNotCounted(t *testing.T) {
	k := kept{map[keys.PeerID]keptRequest{}, map[keys.PeerID]answeredRequest{}}
	put := func(i int, q keptRequest) keys.PeerID {
		p := keys.PeerID{byte(i), byte(i >> 8)}
		q.Since = uint64(i)
		k.requests[p] = q
		k.prune(1000)
		return p
	}
	for i := range 2 * maxKept {
		put(i, keptRequest{Keeper: keys.PeerID{1}, From: "192.0.2.1"})
	}
	oldest := put(300, keptRequest{From: "192.0.2.2"})
	var crowd keys.PeerID
	for i := range maxKeptOf {
		if p := put(400+i, keptRequest{From: "192.0.2.3"}); i == 0 {
			crowd = p
		}
	}
	for i := len(k.requests); i < 3*maxKept+1; i++ {
		put(500+i, keptRequest{From: fmt.Sprint("198.51.100.", i)})
	}
	if len(k.requests) != 3*maxKept {
		t.Errorf("%d are there, of which %d were taken", len(k.requests), 2*maxKept)
	}
	if _, is := k.requests[crowd]; is {
		t.Error("the address with the most loses nothing")
	}
	if _, is := k.requests[oldest]; !is {
		t.Error("the only request of an address is gone")
	}
	k = kept{map[keys.PeerID]keptRequest{}, map[keys.PeerID]answeredRequest{}}
	taken := put(0, keptRequest{Keeper: keys.PeerID{1}})
	for i := range maxKept + 1 {
		put(1+i, keptRequest{})
	}
	if _, is := k.requests[taken]; !is || len(k.requests) != maxKept+1 {
		t.Errorf("%d are there, what was taken among them: %v", len(k.requests), is)
	}
}

// TestKept_KeepsItsPlace: a request that is said again is not written again, a new
// wish takes its place in the row, and one that no approver would take is refused.
func TestKept_KeepsItsPlace(t *testing.T) {
	_, bob, gid := asleep(t)
	cem := newPlayer(t, "cem", bob)
	ok(t, cem.net.Connect(within(t), bob.me, bob.net.Addrs()...))
	h, err := keys.ParseHash(gid)
	ok(t, err)
	said := func(note string, again bool, change func(*group.JoinRequest)) joinStatus {
		req, err := cem.newRequest(joinRef{Peer: bob.me, GID: h, Note: note}, again)
		ok(t, err)
		change(&req)
		return cem.asks(bob.me, req).Status
	}
	asIs := func(*group.JoinRequest) {}
	for what, change := range map[string]func(*group.JoinRequest){
		"of long ago":   func(r *group.JoinRequest) { r.Time -= group.MaxKeptAge + 1 },
		"of next month": func(r *group.JoinRequest) { r.Time += group.MaxKeptAge },
	} {
		if got := said("hi", false, change); got != joinRefused {
			t.Errorf("a request %s: %v", what, got)
		}
	}
	if _, is := bob.keptAt(gid, cem.me); is {
		t.Error("one that nobody would take is kept")
	}
	ok(t, keptStatus(said("hi", false, asIs)))
	first, _ := bob.keptAt(gid, cem.me)
	ok(t, keptStatus(said("hi", true, asIs)))
	if again, _ := bob.keptAt(gid, cem.me); !slices.Equal(again.Record, first.Record) {
		t.Error("a repetition is written anew")
	}
	await(t, "another moment", func() bool { return bob.clock() > first.Since })
	ok(t, keptStatus(said("please", false, asIs)))
	if wish, _ := bob.keptAt(gid, cem.me); wish.Note != "please" || wish.Since != first.Since || wish.From != "" {
		t.Errorf("a new wish is kept as %q from %q, since %d in place of %d", wish.Note, wish.From, wish.Since, first.Since)
	}
}

func keptStatus(s joinStatus) error {
	if s != joinKept {
		return fmt.Errorf("status %d", s)
	}
	return nil
}

// TestKept_GivesWhatIsOpen: an approver is given what is kept here and neither
// declined nor held by it already, oldest first. What was taken from another keeper
// is not this node's to give, nor to be declined.
func TestKept_GivesWhatIsOpen(t *testing.T) {
	ann := inMemory(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	r := ann.roomOf(gid)
	who := func(i byte) keys.PeerID { return keys.PeerID{i} }
	now := ann.clock()
	var out keptAnswer
	ok(t, r.look(within(t), func(*group.Machine) {
		for i := range byte(6) {
			r.kept.requests[who(i)] = keptRequest{Record: []byte{i}, Since: now - uint64(i), Time: now}
		}
		for p, change := range map[keys.PeerID]func(*keptRequest){
			who(0): func(q *keptRequest) { q.Keeper = who(9) },
			who(1): func(q *keptRequest) { q.Declined = true },
		} {
			q := r.kept.requests[p]
			change(&q)
			r.kept.requests[p] = q
		}
		out = r.giveKept(keptAsk{Have: []keys.Hash{keys.Sum([]byte{2})}, Answered: []keptAnswered{{Peer: who(0), Until: now}, {Peer: who(3), Until: now}}})
	}))
	if got := fmt.Sprint(out.Records); got != "[[5] [4]]" {
		t.Errorf("given %s", got)
	}
	if q, _ := ann.keptAt(gid, who(0)); q.Declined {
		t.Error("what was taken from a keeper is declined")
	}
}

// TestKept_Taking: an approver asks members alone, and nobody else asks at all;
// what a keeper gives counts for the group that it was meant for, once, and is of
// no use where its peer was invited.
func TestKept_Taking(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	x, stranger := newPuppet(t), newPuppet(t)
	team := newGroup(t, CreateGroup{Name: "team"}, ann, bob)
	club := newGroup(t, CreateGroup{Name: "club"}, ann, bob)
	asked := make(chan keys.PeerID, 8)
	for _, p := range []*puppet{x, stranger} {
		p.net.Handle(protoKept, func(_ context.Context, s *mesh.Stream) {
			asked <- s.Peer()
			s.Reset()
		})
		ok(t, p.know(ann))
		ok(t, p.know(bob))
	}
	x.joins(ann, team)
	agree(t, team, ann, bob)
	ok(t, bob.roomOf(team).takeKept(within(t), x.me()))
	ok(t, ann.roomOf(team).takeKept(within(t), stranger.me()))
	if ann.roomOf(team).takeKept(within(t), x.me()) == nil || len(asked) != 1 || <-asked != ann.me {
		t.Error("others are asked, or ask, than an approver a member")
	}
	s, err := ann.net.Open(within(t), bob.me, protoKept)
	ok(t, err)
	defer s.Close()
	ok(t, put(s, keptAsk{GID: ann.roomOf(team).gid, Have: make([]keys.Hash, maxHave+1)}))
	if err := get(s, new(keptAnswer)); err == nil {
		t.Error("a question without end is answered")
	}

	cem := newPlayer(t, "cem")
	record := func() []byte {
		req, err := cem.newRequest(joinRef{Peer: ann.me, Group: "club"}, false)
		ok(t, err)
		return group.SignJoinRequest(cem.self, req)
	}
	first := record()
	for _, gid := range []string{team, club} {
		ok(t, ann.roomOf(gid).take(within(t), bob.me, first))
		if _, is := ann.waiting(gid)[cem.id()]; is != (gid == club) {
			t.Errorf("it waits in %s: %v", gid, is)
		}
	}
	ok(t, ann.roomOf(club).take(within(t), bob.me, record()))
	if q, _ := ann.keptAt(club, cem.me); !slices.Equal(q.Record, first) {
		t.Error("the same wish is taken again")
	}
	_, err = ann.Decline(within(t), club, cem.id())
	ok(t, err)
	if _, is := ann.keptAt(club, cem.me); is {
		t.Error("what was answered is held on to")
	}
	dan := newPlayer(t, "dan")
	_, err = ann.Invite(within(t), team, dan.id())
	ok(t, err)
	req, err := dan.newRequest(joinRef{Peer: ann.me, GID: ann.roomOf(team).gid}, false)
	ok(t, err)
	ok(t, ann.roomOf(team).take(within(t), bob.me, group.SignJoinRequest(dan.self, req)))
	if _, is := ann.keptAt(team, dan.me); is || len(ann.waiting(team)) != 0 {
		t.Error("the request of who was invited is held on to")
	}
}

// TestNear_WhoKnowsTheOwner: a neighbour is sought who is in a group of the owner;
// neither the owner, who is asked otherwise, nor who has left it.
func TestNear_WhoKnowsTheOwner(t *testing.T) {
	ann := inMemory(t, "ann")
	bob := inMemory(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	cem := newPuppet(t).me()
	knows := func(p *player) bool {
		owner, known, err := p.ownerSought(within(t), cem, seekTag(ann.me, cem, p.me))
		ok(t, err)
		return known && owner == ann.me
	}
	if !knows(bob) || knows(ann) {
		t.Errorf("bob knows: %v, ann: %v", knows(bob), knows(ann))
	}
	_, err := bob.Leave(within(t), gid, false)
	ok(t, err)
	if knows(bob) {
		t.Error("who has left answers for the group")
	}
}
