package group

import (
	"testing"

	"conclave/keys"
)

// program makes decisions out of fuzz input; after its end all are zero.
type program struct{ b []byte }

func (p *program) byte() byte {
	if len(p.b) == 0 {
		return 0
	}
	c := p.b[0]
	p.b = p.b[1:]
	return c
}

func (p *program) pick(n int) int { return int(p.byte()) % n }

// number is mostly small, sometimes at an end of the scale.
func (p *program) number() uint64 {
	switch c := p.byte(); {
	case c < 200:
		return uint64(c % 8)
	case c < 220:
		return ^uint64(0) - uint64(c%4)
	default:
		return 1 << (c % 64)
	}
}

// stage is one victim and what a few hostile members send it: records of any
// content, signed by themselves, in any order.
type stage struct {
	*program
	w      *world
	victim *peer
	hashes []Hash // of everything sent, and some that nothing has
	ids    []*keys.Identity
}

func (s *stage) hash() Hash { return s.hashes[s.pick(len(s.hashes))] }

func (s *stage) who() *keys.Identity { return s.ids[s.pick(len(s.ids))] }

func (s *stage) head() Head {
	h := Head{Author: s.who().PeerID(), Lane: s.number(), Seq: s.number(), Hash: short(s.hash())}
	if e := s.victim.g.byHash[h.Hash]; e != nil && s.byte()&3 != 0 {
		h = Head{Author: e.Author, Lane: e.Lane, Seq: e.Seq, Hash: h.Hash}
	} else if r := s.victim.msgs[h.Hash]; r != nil && s.byte()&3 != 0 {
		h = Head{Author: r.author, Lane: r.lane, Seq: r.seq, Hash: h.Hash}
	}
	return h
}

func (s *stage) heads(most int) (out []Head) {
	for range s.pick(most) {
		h := s.head()
		if len(out) == 0 || compareHeads(out[len(out)-1], h) < 0 {
			out = append(out, h)
		}
	}
	return out
}

func (s *stage) hashesUp(most int) (out []Hash) {
	for range s.pick(most) {
		out = append(out, s.hash())
	}
	return sortHashes(out)
}

func (s *stage) cuts() (out []Cut) {
	for range s.pick(4) {
		c := Cut{Log: LogKind(s.pick(3)), Lane: s.number(), Seq: s.number(), Hash: s.hash()}
		if len(out) == 0 || compareCuts(out[len(out)-1], c) < 0 {
			out = append(out, c)
		}
	}
	return out
}

func (s *stage) settings() Settings {
	return Settings{
		Name: "x", E2EE: s.byte()&1 == 0, History: History(s.pick(2)), MaxAge: s.number(), MaxMessages: s.number(), RotateBy: RotateBy(s.pick(3)),
	}
}

func (s *stage) body(t Type) any {
	peer := s.who().PeerID()
	switch t {
	case TypeSet:
		return &Set{Settings: s.settings()}
	case TypeAdd, TypeDecline, TypeUnban:
		return &Peer{Peer: peer}
	case TypeInvite:
		return &InviteLink{Key: s.who().PeerID(), Uses: s.number() | 1, Expires: s.number(), PreApproved: s.byte()&1 == 0}
	case TypeInviteRevoke:
		return &InviteRevoke{Invite: s.hash()}
	case TypeJoin:
		return s.w.joinBody(s.hash(), s.who(), peer)
	case TypeLeave:
		return &Leave{JID: s.hash(), Abandon: s.byte()&1 == 0, Cuts: s.cuts()}
	case TypeKick, TypeBan:
		return &Removal{Peer: peer, JIDs: s.hashesUp(3), Cuts: s.cuts()}
	case TypeEpoch:
		return &Epoch{
			Gen: s.number() | 1, Parents: s.hashesUp(4), Acks: s.hashesUp(3), KC: s.hash(), Salt: s.hash(), Suite: Suite,
			History: History(s.pick(2)), Reason: Reason(1 + s.pick(9)), N: s.number(), Chunks: s.number(),
		}
	case TypeGrant:
		return &Grant{Peer: peer, Caps: Caps(1 + s.pick(15))}
	case TypeRevoke:
		return &Revoke{Grant: s.hash(), Cuts: s.cuts()}
	case TypeTransfer:
		return &Transfer{To: peer, Accept: s.hash()}
	case TypeAccept:
		return &Accept{Term: s.number()}
	case TypeProfile:
		return &Profile{Name: "y"}
	}
	return &Equiv{A: []byte{1}, B: []byte{2}}
}

// entry writes a control entry: with honest places and citations, or any.
func (s *stage) entry() []byte {
	t := TypeSet + Type(s.pick(int(TypeEquiv-TypeSet)+1))
	id := s.who()
	e := Entry{GID: s.w.gid, Type: t, Author: id.PeerID(), Seq: 1, Ord: s.number(), Time: s.number(), Term: s.number() & 3, Body: keys.Marshal(s.body(t))}
	if tip := s.victim.g.tip(e.Author, 0); tip != nil && s.byte()&7 != 0 {
		e.Prev, e.Seq = tip.eh, tip.Seq+1
	} else {
		e.Lane, e.Seq, e.Prev = s.number(), s.number(), s.hash()
	}
	if s.byte()&3 != 0 {
		e.Seen = s.victim.g.heads(e.Author)
	} else {
		e.Seen = s.heads(4)
	}
	return payloadOf(KindEntry, id.Sign(keys.LabelEntry, s.w.gid, keys.Marshal(&e)))
}

func (s *stage) message() []byte {
	id := s.who()
	x := Msg{GID: s.w.gid, Author: id.PeerID(), Seq: 1, Ord: s.number(), Time: s.number(), Deps: s.heads(3), JID: s.hash()}
	if j := s.victim.st.incarnation(x.Author); j != nil && s.byte()&7 != 0 {
		x.JID = j.eh
	}
	if top := s.victim.logs[chain{x.Author, 0}].top(); top != nil && s.byte()&7 != 0 {
		x.Prev, x.Seq = top.hash, top.seq+1
	} else {
		x.Lane, x.Seq, x.Prev = s.number(), s.number(), s.hash()
	}
	if s.byte()&1 == 0 {
		x.Ctrl = &Ctrl{Seen: s.heads(4), Acks: s.hashesUp(3)}
	}
	if s.byte()&1 == 0 {
		eid := s.hash()
		x.EID, x.Salt, x.Commit, x.Data = eid[:], make([]byte, 32), make([]byte, 32), make([]byte, 144)
	} else {
		x.Data = keys.Marshal([]Item{{Text: "z"}})
	}
	return payloadOf(KindMessage, id.Sign(keys.LabelMessage, s.w.gid, keys.Marshal(&x)))
}

// event is one thing that happens to the victim.
func (s *stage) event() Event {
	peer := s.who().PeerID()
	switch s.pick(20) {
	case 0:
		return Based{Author: peer, Lane: s.number(), Base: s.number(), Ord: s.number()}
	case 1:
		return KeyReceived{Commit: s.hash(), Key: keys.Secret{s.byte()}}
	case 2:
		return Wished{From: peer}
	case 3:
		return Online{Peer: peer, Up: s.byte()&1 == 0}
	case 4:
		return Send{Items: []Item{s.w.item("own line")}, Plain: s.byte()&1 == 0}
	case 5:
		return Rotate{}
	case 6:
		return Remove{Peer: peer, Ban: s.byte()&1 == 0}
	case 7:
		return AcceptPlain{}
	case 8:
		return Change{Settings: s.settings()}
	case 9:
		return Approve{Peer: peer}
	case 10:
		return DeputyAdd{Peer: peer, Caps: allCaps}
	case 11:
		return Quit{Abandon: s.byte()&1 == 0}
	}
	return Tick{}
}

func (s *stage) heights() Heights {
	var h Heights
	for range s.pick(4) {
		h.Control = append(h.Control, s.head())
	}
	for range s.pick(4) {
		x := s.head()
		h.Logs = append(h.Logs, LogHead{Author: x.Author, Lane: x.Lane, Base: s.number(), Seq: x.Seq, Hash: x.Hash})
	}
	return h
}

// run plays the whole program.
func (s *stage) run(t *testing.T) {
	for step := 0; len(s.b) > 0 && step < 200; step++ {
		s.w.now += uint64(s.pick(4)) * 1000
		switch s.pick(8) {
		case 0:
			s.step(t, s.event())
		case 1:
			if miss, err := s.victim.MissingAt(s.who().PeerID(), s.heights()); err == nil && len(miss.Messages) > len(s.victim.msgs) {
				t.Fatalf("%d of %d messages are given", len(miss.Messages), len(s.victim.msgs))
			}
			s.victim.Behind(s.heights())
			s.victim.Farewell(s.who().PeerID())
		case 2, 3:
			s.receive(t, s.message())
		default:
			s.receive(t, s.entry())
		}
		s.caps(t)
	}
}

func (s *stage) receive(t *testing.T, payload []byte) {
	v, err := Decode(s.w.gid, payload)
	if err != nil {
		return
	}
	s.hashes = append(s.hashes, v.Hash)
	s.step(t, Received{Record: v})
}

func (s *stage) step(t *testing.T, ev Event) {
	r, err := s.victim.Step(Input{Now: s.w.now, Entropy: s.w.entropy(), Event: ev})
	if err != nil && (!r.Batch.Empty() || len(r.Publish) > 0) {
		t.Fatalf("%T failed with %v and asks for more", ev, err)
	}
	if err != nil {
		return
	}
	s.victim.keep(t, s.w.gid, r)
	for _, p := range r.Publish {
		v, err := Decode(s.w.gid, p)
		if err != nil {
			t.Fatalf("the victim published what nobody takes: %v", err)
		}
		s.hashes = append(s.hashes, v.Hash)
	}
}

// caps holds that nothing grows beyond its limit.
func (s *stage) caps(t *testing.T) {
	m := s.victim.Machine
	sum := 0
	for a, n := range m.pend.size {
		if sum += n; n > maxPendingPeer || n <= 0 {
			t.Fatalf("%d bytes of %s wait", n, a.Short())
		}
	}
	if sum != m.pend.total || sum > maxPendingAll || len(m.early) > MaxHeldKeys || len(m.local.Requests) > MaxRequests || len(m.g.folds) > maxFolds {
		t.Fatalf("%d bytes wait, %d counted; %d early keys; %d folds", m.pend.total, sum, len(m.early), len(m.g.folds))
	}
}

func FuzzStep(f *testing.F) {
	f.Add(byte(0), []byte{})
	seed := []byte("every byte is a decision, and these are as good as any others to begin with; what follows is for depth 0123456789")
	for i := range byte(8) {
		f.Add(i, append([]byte{i, 7 * i, 31 * i}, seed...))
	}
	f.Fuzz(func(t *testing.T, start byte, b []byte) {
		w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
		if start&1 == 1 {
			w.must(w.all[0], DeputyAdd{Peer: w.all[1].me, Caps: allCaps})
		}
		s := &stage{program: &program{b}, w: w, victim: w.all[start>>1%3], hashes: []Hash{w.gid, {1}, {}}}
		for _, p := range w.all {
			s.ids = append(s.ids, p.id)
			for _, e := range p.entries {
				s.hashes = append(s.hashes, e.Hash)
			}
		}
		s.ids = append(s.ids, crowd(2)...)
		sortHashes(s.hashes)
		s.run(t)
		before := s.victim.fingerprint()
		w.restart(s.victim)
		if after := s.victim.fingerprint(); after != before {
			t.Fatalf("before a restart\n%s\nafter\n%s", before, after)
		}
	})
}
