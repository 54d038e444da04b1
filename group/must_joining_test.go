package group

import (
	"errors"
	"fmt"
	"testing"

	"conclave/keys"
)

func TestMUST_91_JoinRequest(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	good := JoinRequest{Approver: alice.me, Group: w.gid[:], Nonce: Hash{1}, Bundle: bob.bundle.Raw(), Note: "hi", Called: "Bob"}
	if r, err := ParseJoinRequest(SignJoinRequest(bob.id, good), bob.me, alice.me); err != nil || r.Note != "hi" || r.Called != "Bob" || Hash(r.Group) != w.gid {
		t.Fatalf("a sound request: %+v, %v", r, err)
	}
	sign := func(change func(r *JoinRequest)) []byte {
		r := good
		change(&r)
		return SignJoinRequest(bob.id, r)
	}
	forged := good
	forged.Peer = bob.me
	for name, c := range map[string]struct {
		b    []byte
		from PeerID
		want error
	}{
		"from another peer":         {sign(func(*JoinRequest) {}), carol.me, ErrBody},
		"for another approver":      {sign(func(r *JoinRequest) { r.Approver = carol.me }), bob.me, ErrBody},
		"with another's bundle":     {sign(func(r *JoinRequest) { r.Bundle = carol.bundle.Raw() }), bob.me, ErrBody},
		"without a bundle":          {sign(func(r *JoinRequest) { r.Bundle = nil }), bob.me, keys.ErrNotCanonical},
		"with a long note":          {sign(func(r *JoinRequest) { r.Note = string(make([]byte, MaxNoteBytes+1)) }), bob.me, ErrBody},
		"with half a group":         {sign(func(r *JoinRequest) { r.Group = w.gid[:16] }), bob.me, ErrBody},
		"with a name that is none":  {sign(func(r *JoinRequest) { r.Name = "a/b" }), bob.me, ErrBody},
		"of one called by none":     {sign(func(r *JoinRequest) { r.Called = "\u202eboB" }), bob.me, ErrBody},
		"signed by another":         {carol.id.Sign(keys.LabelJoin, Hash{}, keys.Marshal(&forged)).Encode(), bob.me, keys.ErrSignature},
		"signed as something else":  {bob.id.Sign(keys.LabelEntry, Hash{}, keys.Marshal(&forged)).Encode(), bob.me, keys.ErrSignature},
		"signed for a group":        {bob.id.Sign(keys.LabelJoin, w.gid, keys.Marshal(&forged)).Encode(), bob.me, keys.ErrSignature},
		"that is no record":         {[]byte("hello"), bob.me, ErrEncoding},
		"that is larger than all":   {make([]byte, MaxPayload+1), bob.me, ErrSize},
		"with a byte at its end":    {append(sign(func(*JoinRequest) {}), 0), bob.me, ErrEncoding},
		"naming a group in its gid": {bob.id.Sign(keys.LabelJoin, Hash{}, keys.Marshal(&JoinRequest{GID: w.gid, Peer: bob.me, Approver: alice.me, Bundle: good.Bundle})).Encode(), bob.me, ErrBody},
	} {
		if _, err := ParseJoinRequest(c.b, c.from, alice.me); !errors.Is(err, c.want) {
			t.Errorf("a request %s: %v, want %v", name, err, c.want)
		}
	}
}

func TestMUST_92_BannedOrStale(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	newer, _ := w.bundleOf(bob, w.now+5)
	ask := func(b keys.Bundle) error {
		_, err := w.step(alice, JoinAsked{Request: Request{Peer: bob.me, Bundle: b.Raw()}})
		return err
	}
	if err := ask(newer); err != nil {
		t.Fatal(err)
	}
	if err := ask(bob.bundle); !errors.Is(err, ErrStale) {
		t.Errorf("an older bundle than the pending one: %v", err)
	}
	w.must(alice, Approve{Peer: bob.me})
	w.must(alice, Remove{Peer: bob.me})
	if err := ask(bob.bundle); !errors.Is(err, ErrStale) {
		t.Errorf("an older bundle than a known one: %v", err)
	}
	if b, _ := alice.Bundle(bob.me); b.Hash() != newer.Hash() {
		t.Error("the older bundle replaced the newer")
	}
	if err := ask(newer); err != nil {
		t.Errorf("the same bundle again: %v", err)
	}
	w.must(alice, Remove{Peer: bob.me, Ban: true})
	if err := ask(newer); !errors.Is(err, ErrBanned) {
		t.Errorf("someone banned: %v", err)
	}
}

func TestMUST_93_RequestsWait(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	ask := func(p PeerID, b keys.Bundle, from string) {
		w.now++
		w.must(alice, JoinAsked{Request: Request{Peer: p, Bundle: b.Raw(), From: from}})
	}
	count := func(from string) (n int) {
		for _, r := range alice.Local().Requests {
			if r.From == from {
				n++
			}
		}
		return n
	}
	ask(bob.me, bob.bundle, "198.51.100.1")
	for i, id := range crowd(200) {
		b, _, err := keys.GenerateBundle(id, w.now)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case i < 20:
			ask(id.PeerID(), b, "203.0.113.7")
		case i < 60:
			ask(id.PeerID(), b, fmt.Sprint("192.0.2.", i))
		default:
			ask(id.PeerID(), b, "") // loopback: no limit of its own
		}
		if n := len(alice.Local().Requests); n > MaxRequests {
			t.Fatalf("%d requests wait", n)
		}
		if n := count("203.0.113.7"); n > maxPerAddress {
			t.Fatalf("%d requests of one address wait", n)
		}
	}
	if count("") == 0 || count("") == MaxRequests {
		t.Errorf("%d of %d requests are the flood's", count(""), len(alice.Local().Requests))
	}
	if len(alice.bundles) > 1 {
		t.Errorf("%d bundles of people who only asked are held", len(alice.bundles)-1)
	}
}

func TestMUST_94_ApprovalMints(t *testing.T) {
	for history, mints := range map[History]bool{HistoryNone: true, HistoryAll: false} {
		s := settingsFor("team")
		s.History = history
		w := newWorld(t, s, "alice", "bob")
		alice, bob := w.all[0], w.all[1]
		w.must(alice, JoinAsked{Request: Request{Peer: bob.me, Bundle: bob.bundle.Raw()}})
		r := w.must(alice, Approve{Peer: bob.me})
		if !alice.IsMember(bob.me) || (r.Epoch != Hash{}) != mints {
			t.Errorf("history %d: member %v, new epoch %v", history, alice.IsMember(bob.me), r.Epoch != Hash{})
		}
		cur, ok := alice.Current()
		if err := alice.Covers(bob.me, cur.EID); !ok || err != nil {
			t.Errorf("history %d: the present key may not be handed to bob: %v", history, err)
		}
		if mints && cur.Reason != ReasonAdmitted {
			t.Errorf("reason %s", cur.Reason)
		}
	}
}

func TestMUST_119_KeptRequests(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	x, y := w.outsider(200), w.outsider(201)
	good := JoinRequest{Approver: bob.me, Group: w.gid[:], Bundle: x.bundle.Raw(), Note: "hi", Time: w.now}
	signed := func(change func(r *JoinRequest)) []byte {
		r := good
		change(&r)
		return SignJoinRequest(x.id, r)
	}
	if r, err := alice.KeptRequest(signed(func(*JoinRequest) {}), bob.me, w.now); err != nil || r.Peer != x.me || r.Note != "hi" {
		t.Fatalf("a sound request: %+v, %v", r, err)
	}
	for _, r := range []JoinRequest{{Group: w.gid[:]}, {Name: "team"}, {}} {
		r.Approver, r.Bundle, r.Time = alice.me, x.bundle.Raw(), w.now
		if _, err := alice.KeptRequest(SignJoinRequest(x.id, r), carol.me, w.now); err != nil {
			t.Errorf("one for the owner, by whatever member: %v", err)
		}
	}
	forged := good
	forged.Peer = x.me
	for name, c := range map[string]struct {
		b      []byte
		keeper PeerID
		want   error
	}{
		"by another member":        {signed(func(*JoinRequest) {}), carol.me, ErrBody},
		"by nobody's member":       {signed(func(r *JoinRequest) { r.Approver = y.me }), y.me, ErrNotMember},
		"for another group":        {signed(func(r *JoinRequest) { r.Group = make([]byte, 32) }), bob.me, ErrBody},
		"for a name alone":         {signed(func(r *JoinRequest) { r.Group, r.Name = nil, "team" }), bob.me, ErrBody},
		"for the owner's other":    {signed(func(r *JoinRequest) { r.Approver, r.Group = alice.me, make([]byte, 32) }), bob.me, ErrBody},
		"signed by the keeper":     {bob.id.Sign(keys.LabelJoin, Hash{}, keys.Marshal(&forged)).Encode(), bob.me, keys.ErrSignature},
		"with another's bundle":    {signed(func(r *JoinRequest) { r.Bundle = y.bundle.Raw() }), bob.me, ErrBody},
		"that is larger than all":  {make([]byte, MaxPayload+1), bob.me, ErrSize},
		"that is no record at all": {[]byte("hello"), bob.me, ErrEncoding},
	} {
		if _, err := alice.KeptRequest(c.b, c.keeper, w.now); !errors.Is(err, c.want) {
			t.Errorf("a request %s: %v, want %v", name, err, c.want)
		}
	}
}

func TestMUST_120_KeptRequestsAreAnsweredOnce(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	x := w.outsider(200)
	w.all = append(w.all, x)
	at := func(time uint64) []byte {
		return SignJoinRequest(x.id, JoinRequest{Approver: bob.me, Group: w.gid[:], Bundle: x.bundle.Raw(), Time: time})
	}
	judge := func(what string, b []byte, want error) {
		t.Helper()
		if _, err := alice.KeptRequest(b, bob.me, w.now); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	first := at(w.now)
	judge("at first", first, nil)
	judge("an old one", at(w.now-MaxKeptAge-1), ErrStale)
	judge("one of tomorrow", at(w.now+maxKeptAhead+1), ErrStale)
	w.admit(alice, x)
	judge("of a member", at(w.now+1), ErrDependency)
	w.now += 1000
	w.must(x, Quit{})
	judge("again, after the admission", first, ErrStale)
	judge("again, after the LEAVE", at(w.now), ErrStale)
	w.now += 1000
	judge("a new wish", at(w.now), nil)
	w.admit(alice, x)
	w.now += 1000
	w.must(alice, Remove{Peer: x.me})
	judge("again, after the KICK", at(w.now), ErrStale)
	judge("a new wish after the KICK", at(w.now+1), nil)
	w.admit(alice, x)
	w.must(alice, Remove{Peer: x.me, Ban: true})
	judge("of somebody banned", at(w.now+1), ErrBanned)
}
