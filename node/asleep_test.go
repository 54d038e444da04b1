package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
)

// threeOf makes a group of ann's with bob and cem, who know each other.
func threeOf(t *testing.T, c CreateGroup) (ann, bob, cem *player, gid string) {
	t.Helper()
	ann = inMemory(t, "ann")
	bob, cem = inMemory(t, "bob", ann), inMemory(t, "cem", ann)
	ok(t, cem.net.Remember(bob.me, bob.net.Addrs()...))
	gid = newGroup(t, c, ann, bob, cem)
	agree(t, gid, ann, bob, cem)
	return ann, bob, cem, gid
}

// TestAbuse_RM08_KeptLink: somebody who was removed kept a pre-approved link, and
// comes back by it as somebody else, to members of whom none is the owner. It was
// retired by the removal: nobody lets them in, and a request is what remains.
func TestAbuse_RM08_KeptLink(t *testing.T) {
	ann, bob, cem, gid := threeOf(t, CreateGroup{})
	link, err := ann.CreateLink(within(t), gid, LinkOptions{Uses: 5, PreApproved: true})
	ok(t, err)
	_, err = ann.Kick(within(t), gid, cem.id())
	ok(t, err)
	await(t, "the removal at bob", func() bool {
		ls, err := bob.Links(within(t), gid)
		ok(t, err)
		return len(ls) == 1 && ls[0].State == "retired"
	})
	ok(t, ann.down())
	again := inMemory(t, "again", bob)
	l, err := parseLink(*link.Link)
	ok(t, err)
	l.hints = []peerAddrs{{Peer: bob.me, Addrs: bob.net.Addrs()}}
	var refused *Error
	if _, err = again.Join(within(t), l.text(), "", "", false); !errors.As(err, &refused) || refused.Kind != NotAllowed {
		t.Errorf("by the link: %v", err)
	}
	asked, err := again.Join(within(t), bob.id(), gid, "", false)
	ok(t, err)
	if asked.State != stateRequested || again.isIn(gid) {
		t.Errorf("a request: %+v", asked)
	}
	g, err := bob.Group(within(t), gid)
	ok(t, err)
	if g.Members != 2 {
		t.Errorf("%d members", g.Members)
	}
}

// TestAbuse_RM09_ReAddedAsks: somebody who was removed is let in again, and asks
// every member for every key. None of the time without them is given.
func TestAbuse_RM09_ReAddedAsks(t *testing.T) {
	for _, history := range []string{"none", "all"} {
		t.Run(history, func(t *testing.T) {
			ann, bob, cem, gid := threeOf(t, CreateGroup{History: history})
			_, err := ann.Kick(within(t), gid, cem.id())
			ok(t, err)
			agree(t, gid, ann, bob)
			said := ann.say(gid, "without cem")
			bob.reads(gid, "without cem")
			letIn(t, ann, cem, gid)
			ann.say(gid, "cem is back")
			cem.reads(gid, "cem is back")
			agree(t, gid, ann, bob, cem)
			if slices.Contains(cem.texts(gid), "without cem") {
				t.Error("cem reads what was said without him")
			}
			eid, err := keys.ParseHash(*said.EID)
			ok(t, err)
			room := cem.roomOf(gid)
			for _, p := range []*player{ann, bob} {
				ok(t, cem.net.Connect(within(t), p.me, p.net.Addrs()...))
				s, err := cem.net.Open(within(t), p.me, protoKey)
				ok(t, err)
				ok(t, put(s, keyAsk{GID: room.gid, Bundle: cem.ownBundle().Raw(), EIDs: []keys.Hash{eid}}))
				var a keyAnswer
				ok(t, get(s, &a))
				s.Close()
				if len(a.Items) != 1 || a.Items[0].Refusal != group.RefusedDead || len(a.Items[0].Envelope) != 0 {
					t.Errorf("%s answers %+v", p.name, a.Items)
				}
			}
		})
	}
}

// TestAbuse_RM11_LeaverIsOut: somebody leaves by their own wish. What is said next
// is under another key, and does not reach them, though nobody is told to remove
// anybody.
func TestAbuse_RM11_LeaverIsOut(t *testing.T) {
	ann, bob, cem, gid := threeOf(t, CreateGroup{})
	before := ann.currentKey(gid)
	_, err := cem.Leave(within(t), gid, false)
	ok(t, err)
	await(t, "the news at both", func() bool {
		for _, p := range []*player{ann, bob} {
			if g, err := p.Group(within(t), gid); err != nil || g.Members != 2 {
				return false
			}
		}
		return true
	})
	sent := bob.say(gid, "without cem")
	if *sent.EID == before.String() {
		t.Error("the next line is under the key that cem holds")
	}
	ann.reads(gid, "without cem")
	agree(t, gid, ann, bob)
	ks, err := ann.Keys(within(t), gid)
	ok(t, err)
	if last := ks[len(ks)-1]; last.Reason != "removed" || slices.Contains(slices.Concat(last.Holders, last.Missing), cem.id()) {
		t.Errorf("the key after it is %+v", last)
	}
	if slices.Contains(cem.texts(gid), "without cem") {
		t.Error("cem reads on")
	}
}

// TestAbuse_FA10_OwnerGone: the owner is gone for good. The others are told that
// she is away, read, talk and replace keys; settings are refused at once; and the
// group goes on in a new one.
func TestAbuse_FA10_OwnerGone(t *testing.T) {
	ann, bob, cem, gid := threeOf(t, CreateGroup{})
	ann.say(gid, "the last of ann")
	bob.reads(gid, "the last of ann")
	ok(t, ann.down())
	await(t, "bob to be told", func() bool {
		ms, err := bob.Members(within(t), gid)
		ok(t, err)
		return slices.ContainsFunc(ms, func(m Member) bool { return m.PeerID == ann.id() && m.Role == "owner" && !m.Online })
	})
	bob.say(gid, "we are still here")
	cem.reads(gid, "the last of ann", "we are still here")
	_, err := bob.Rotate(within(t), gid)
	ok(t, err)
	cem.say(gid, "under a new key")
	bob.reads(gid, "we are still here", "under a new key")
	var refused *Error
	age := time.Hour
	if _, err := bob.SetGroup(within(t), gid, SetGroup{MaxAge: &age}); !errors.As(err, &refused) || refused.Kind != NotAllowed {
		t.Errorf("settings: %v", err)
	}
	fork, err := bob.Fork(within(t), gid, "")
	ok(t, err)
	if fork.Parent != gid || !slices.Contains(fork.Invited, cem.id()) || !slices.Contains(fork.Invited, ann.id()) {
		t.Errorf("the fork: %+v", fork)
	}
	var invite string
	await(t, "the invitation at cem", func() bool {
		is, err := cem.Invitations(within(t))
		ok(t, err)
		for _, i := range is {
			if i.GroupID == fork.GroupID {
				invite = i.InviteID
			}
		}
		return invite != ""
	})
	_, err = cem.Accept(within(t), invite, true)
	ok(t, err)
	cem.say(fork.GroupID, "and on")
	bob.reads(fork.GroupID, "and on")
}

// TestAbuse_MO09_WithheldEnvelope: whoever mints a key leaves one member out. That
// member is shown which key is missing, the others see that it lacks it, and it
// has the key from one of them.
func TestAbuse_MO09_WithheldEnvelope(t *testing.T) {
	ann, bob, x, gid := company(t)
	cem := inMemory(t, "cem", ann)
	letIn(t, ann, cem, gid)
	agree(t, gid, ann, bob, cem)
	await(t, "cem at x", func() bool {
		_, err := x.pulls(within(t), ann, nil)
		ok(t, err)
		in := false
		x.look(func(m *group.Machine) { in = m.IsMember(cem.me) })
		return in
	})
	for _, p := range []*player{ann, bob} { // they hand cem no key for now
		p.quotas.of(cem.me).envelopes.SetBurst(0)
	}
	x.mu.Lock()
	x.publish = func(payload []byte) bool { return payload[0] != byte(group.KindChunk) }
	x.mu.Unlock()
	rd, err := x.step(group.Rotate{})
	ok(t, err)
	x.mu.Lock()
	x.publish = nil
	x.mu.Unlock()
	for _, job := range rd.Seal {
		job.To = slices.DeleteFunc(slices.Clone(job.To), func(b keys.Bundle) bool { return b.Peer == cem.me })
		x.step(group.Sealed{Job: job, Envelopes: x.seal(job)})
	}
	x.step(line("not for cem"))
	bob.reads(gid, "not for cem")
	await(t, "cem to be told what is missing", func() bool {
		page, err := cem.Log(within(t), gid, LogQuery{Last: true, Limit: 20})
		ok(t, err)
		return slices.ContainsFunc(page, func(l LogLine) bool {
			return l.Kind == "unreadable" && strings.Contains(*l.Reason, fmt.Sprintf("waiting for key %d", *l.Epoch))
		})
	})
	lacks := func() bool {
		ks, err := bob.Keys(within(t), gid)
		ok(t, err)
		last := ks[len(ks)-1]
		return last.EID == rd.Epoch.String() && slices.Contains(last.Missing, cem.id()) && !slices.Contains(last.Holders, cem.id())
	}
	if !lacks() {
		t.Error("bob does not see that cem lacks the key")
	}
	for _, p := range []*player{ann, bob} {
		p.quotas.of(cem.me).envelopes.SetBurst(envelopeBurst)
	}
	cem.reads(gid, "not for cem")
	await(t, "bob to see that cem has it", func() bool { return !lacks() })
}

// TestAbuse_MM01_MemberOverreaches: a member signs what is the owner's, and keys
// that no reason is given for, and has them handed round. They change nothing.
func TestAbuse_MM01_MemberOverreaches(t *testing.T) {
	f := newForgers(t)
	var heads []group.Head
	var cur group.EpochInfo
	f.x.look(func(m *group.Machine) {
		for _, h := range m.Heights().Control {
			if h.Author == f.ann.me {
				heads = append(heads, h)
			}
		}
		cur, _ = m.Current()
	})
	settings := group.Settings{Name: "mine", E2EE: false}
	epoch := func(r group.Reason) *group.Epoch {
		salt := keys.Sum([]byte{byte(r)})
		return &group.Epoch{Gen: cur.Gen + 1, Parents: []keys.Hash{cur.EID}, KC: keys.Sum(salt[:]), Salt: salt, Suite: 1, Reason: r}
	}
	bodies := []struct {
		typ  group.Type
		body any
	}{
		{group.TypeSet, &group.Set{Settings: settings}},
		{group.TypeAdd, &group.Peer{Peer: f.w.me()}},
		{group.TypeKick, &group.Removal{Peer: f.bob.me}},
		{group.TypeGrant, &group.Grant{Peer: f.x.me(), Caps: 15}},
		{group.TypeInvite, &group.InviteLink{Key: f.x.me(), Uses: 9, Expires: 1 << 50, PreApproved: true}},
		{group.TypeEpoch, epoch(group.ReasonRemoved)},
		{group.TypeEpoch, epoch(group.ReasonAdmitted)},
		{group.TypeEpoch, epoch(group.ReasonEncryptionOn)},
		{group.TypeEpoch, epoch(group.ReasonAge)},
		{group.TypeEpoch, epoch(group.ReasonCover)},
		{group.TypeEpoch, epoch(group.ReasonCreate)},
	}
	var prev keys.Hash
	for i, b := range bodies {
		for _, term := range []uint64{0, 1} {
			e := group.Entry{
				GID: f.x.gid, Type: b.typ, Author: f.x.me(), Seq: uint64(2*i) + term + 1, Prev: prev, Ord: 100, Time: f.ann.clock(),
				Term: term, Seen: heads, Body: keys.Marshal(b.body),
			}
			body := keys.Marshal(&e)
			prev = keys.Sum(body)
			f.x.says(signed(group.KindEntry, f.x.id, f.x.gid, body))
		}
	}
	for _, p := range []*player{f.ann, f.bob} {
		await(t, "all of it at "+p.name, func() (has bool) {
			ok(t, p.roomOf(f.gid).look(within(t), func(m *group.Machine) { _, has = m.Entry(prev) }))
			return has
		})
		ok(t, p.roomOf(f.gid).look(within(t), func(m *group.Machine) {
			now, _ := m.Current()
			if now.EID != cur.EID || m.Owner() != f.ann.me || m.Settings().Name != "team" || !m.Settings().E2EE ||
				len(m.Members()) != 5 || m.Caps(f.x.me()) != 0 || len(m.Links()) > 0 {
				t.Errorf("at %s: key %v, settings %+v, %d members, %d links", p.name, now.EID == cur.EID, m.Settings(), len(m.Members()), len(m.Links()))
			}
		}))
	}
	sent := f.bob.say(f.gid, "nothing has changed")
	if *sent.EID != cur.EID.String() {
		t.Error("a line leaves under another key")
	}
	f.ann.reads(f.gid, "nothing has changed")
}

// TestAbuse_MM13_LeaveJoinCycling: somebody leaves and comes in again by a link, a
// hundred times. The keys that this costs stay within the budget: one for each
// LEAVE, and of those for guests five at once and one in 10 s; and then people
// talk on.
func TestAbuse_MM13_LeaveJoinCycling(t *testing.T) {
	const cycles = 100
	ann, bob := inMemory(t, "ann"), inMemory(t, "bob")
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	gid := newGroup(t, CreateGroup{}, ann, bob)
	agree(t, gid, ann, bob)
	key, err := keys.GenerateIdentity()
	ok(t, err)
	_, err = ann.roomOf(gid).act(within(t), group.LinkAdd{Key: key.PeerID(), Uses: 1000, Expires: ann.clock() + 1<<32, PreApproved: true})
	ok(t, err)
	var link group.LinkInfo
	await(t, "the link at bob", func() bool {
		ok(t, bob.roomOf(gid).look(within(t), func(m *group.Machine) {
			if all := m.Links(); len(all) > 0 {
				link = all[0]
			}
		}))
		return link.Uses > 0
	})
	x := newPuppet(t)
	before, err := ann.Keys(within(t), gid)
	ok(t, err)
	began := time.Now()
	for range cycles {
		x.cycles(bob, gid, link, key)
	}
	took := time.Since(began)
	ann.say(gid, "are you done?")
	bob.reads(gid, "are you done?")
	bob.say(gid, "now we talk")
	ann.reads(gid, "are you done?", "now we talk")
	agree(t, gid, ann, bob)
	after, err := ann.Keys(within(t), gid)
	ok(t, err)
	forGuests := 0
	for _, k := range after[len(before):] {
		if k.Reason == "admitted" {
			forGuests++
		}
	}
	minted := len(after) - len(before)
	t.Logf("%d cycles in %s: %d keys, %d of them for guests", cycles, took.Round(time.Millisecond), minted, forGuests)
	if most := 5 + int(time.Since(began)/(10*time.Second)) + 1; forGuests > most {
		t.Errorf("%d keys for guests, of at most %d", forGuests, most)
	}
	if minted-forGuests > cycles+2 {
		t.Errorf("%d keys for %d removals", minted-forGuests, cycles)
	}
	if q := bob.roomOf(gid).queued.Load(); q > 0 {
		t.Errorf("%d bytes wait for the loop", q)
	}
}

// cycles comes in by a link at n, and leaves. No stream is used: who leaves loses
// the connection.
func (p *puppet) cycles(n *player, gid string, link group.LinkInfo, key *keys.Identity) {
	p.t.Helper()
	room := n.roomOf(gid)
	_, err := room.act(within(p.t), group.LinkUsed{
		Peer: p.me(), Bundle: p.bundle.Raw(), Invite: link.Invite, Proof: group.SignJoinProof(key, room.gid, link.Invite, p.me()),
	})
	ok(p.t, err)
	p.gid = room.gid
	if p.m == nil {
		p.m = group.New(group.Config{GID: room.gid, Self: p.id, Bundle: p.bundle}, group.Stored{})
	}
	var miss group.Missing
	ok(p.t, room.look(within(p.t), func(m *group.Machine) { miss, err = m.MissingAt(p.me(), p.m.Heights()) }))
	ok(p.t, err)
	for _, payload := range miss.Records {
		if v, err := group.Decode(p.gid, payload); err == nil {
			p.step(group.Received{Record: v})
		}
	}
	rd, err := p.step(group.Quit{})
	ok(p.t, err)
	for _, payload := range rd.Publish {
		if v, err := group.Decode(p.gid, payload); err == nil && v.Entry() != nil {
			_, err = room.do(within(p.t), group.Received{Record: v})
			ok(p.t, err)
		}
	}
}
