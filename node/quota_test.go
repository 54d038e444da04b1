package node

import (
	"context"
	"errors"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// member makes a group of ann with one puppet in it, connected.
func member(t *testing.T) (ann *player, x *puppet) {
	t.Helper()
	ann, x = inMemory(t, "ann"), newPuppet(t)
	gid := newGroup(t, CreateGroup{}, ann)
	ok(t, x.know(ann))
	x.joins(ann, gid)
	return ann, x
}

// hellos says hello with these roots, one after the other, and counts how often
// it was answered at all, and how often told farewell.
func (p *puppet) hellos(n *player, roots ...keys.Hash) (answered, farewells int) {
	p.t.Helper()
	for _, root := range roots {
		s, err := p.net.Open(within(p.t), n.me, protoSync)
		ok(p.t, err)
		var w welcome
		if put(s, hello{GID: p.gid, Root: root}) == nil && get(s, &w) == nil {
			answered++
			if w.Farewell {
				if _, err := p.takeBatches(s); err == nil {
					farewells++
				}
			}
		}
		s.Close()
	}
	return answered, farewells
}

// TestQuota_Streams: a member opens streams without end. So many are answered as
// the table says, and somebody else is answered meanwhile.
func TestQuota_Streams(t *testing.T) {
	ann, x := member(t)
	y := newPuppet(t)
	y.gid = x.gid
	ok(t, y.know(ann))
	sync := streamQuotas()[protoSync]
	began := time.Now()
	answered, _ := x.hellos(ann, make([]keys.Hash, 2*sync.Burst())...)
	most := sync.Burst() + int(float64(sync.Limit())*time.Since(began).Seconds()) + 1
	if answered > most || answered < sync.Burst()-1 {
		t.Errorf("%d streams are answered, of at most %d", answered, most)
	}
	if answered, _ = y.hellos(ann, keys.Hash{}); answered != 1 {
		t.Error("another peer is not answered")
	}
	if ann.counts.refusedStreams.Load() == 0 {
		t.Error("nothing is counted")
	}
}

// TestQuota_JoinFromOneAddress: identities cost nothing, so an address has a
// quota as well; loopback has none.
func TestQuota_JoinFromOneAddress(t *testing.T) {
	began := time.Now()
	count := func(proto, ip string) (n int) {
		q, err := newQuotas()
		ok(t, err)
		for i := range 3 * addressBurst {
			if q.mayOpen(proto, keys.PeerID{byte(i), byte(i >> 8)}, ip) {
				n++
			}
		}
		return n
	}
	for _, proto := range []string{protoJoin, protoLink, protoSeek} {
		n := count(proto, "192.0.2.1")
		if most := addressBurst + int(addressRate*time.Since(began).Seconds()) + 1; n < addressBurst || n > most {
			t.Errorf("%s: %d streams pass, of at most %d", proto, n, most)
		}
	}
	if n := count(protoLink, "127.0.0.1"); n != 3*addressBurst {
		t.Errorf("%d of one's own machine pass", n)
	}
	if n := count(protoSync, "192.0.2.1"); n != 3*addressBurst {
		t.Errorf("%d of members behind one address pass", n)
	}
}

// TestQuota_Farewell: a former member asks again and again. It is told how its
// membership ended, not each time; and again when it holds something else, up to
// a limit.
func TestQuota_Farewell(t *testing.T) {
	ann, x := member(t)
	_, err := ann.Kick(within(t), x.gid.String(), x.me().String())
	ok(t, err)
	same := make([]keys.Hash, 20)
	told := 0
	await(t, "the farewell, over a new connection", func() bool {
		s, err := x.net.Open(within(t), ann.me, protoSync)
		if err == nil {
			s.Close()
			_, told = x.hellos(ann, keys.Hash{})
		}
		return told == 1
	})
	if answered, told := x.hellos(ann, same...); told != 0 || answered != len(same) {
		t.Errorf("asking %d times more it is told %d times, answered %d times", len(same), told, answered)
	}
	var others []keys.Hash
	for i := range 20 {
		others = append(others, keys.Hash{byte(i), 1})
	}
	if _, told := x.hellos(ann, others...); told < 1 || told >= farewellBurst {
		t.Errorf("holding something else each time it is told %d times more", told)
	}
}

// TestQuota_Envelopes: a member asks for one key without end. So many envelopes
// are sealed as the table says, and what is over is answered.
func TestQuota_Envelopes(t *testing.T) {
	ann, x := member(t)
	var eid keys.Hash
	x.look(func(m *group.Machine) {
		cur, _ := m.Current()
		eid = cur.EID
	})
	eids := make([]keys.Hash, keysPerAsk)
	for i := range eids {
		eids[i] = eid
	}
	began, sealed, refused := time.Now(), 0, 0
	for range 2 * envelopeBurst / keysPerAsk {
		s := x.open(ann, protoKey)
		ok(t, put(s, keyAsk{GID: x.gid, Bundle: x.bundle.Raw(), EIDs: eids}))
		var a keyAnswer
		ok(t, get(s, &a))
		for _, it := range a.Items {
			if len(it.Envelope) > 0 {
				sealed++
			} else if it.Refusal == group.RefusedNotHeld {
				refused++
			}
		}
	}
	most := envelopeBurst + int(envelopeRate*time.Since(began).Seconds()) + 1
	if sealed < envelopeBurst-keysPerAsk || sealed > most || sealed+refused != 2*envelopeBurst {
		t.Errorf("%d envelopes are sealed, of at most %d, and %d refused", sealed, most, refused)
	}
}

// TestQuota_Work: what is worked out for a peer is charged to it, and whoever has
// spent its share waits.
func TestQuota_Work(t *testing.T) {
	ann, x := member(t)
	r, work := ann.roomOf(x.gid.String()), ann.quotas.of(x.me()).work
	work.SetLimit(1e-9) // it does not come back while the test runs, however slowly
	before := work.Tokens()
	spent := time.Now()
	ok(t, r.lookFor(within(t), x.me(), func(m *group.Machine) {
		for time.Since(spent) < 20*time.Millisecond {
			m.Heights()
		}
	}))
	if after := work.Tokens(); before-after < 10_000 {
		t.Errorf("20 ms cost %.0f", before-after)
	}
	work.ReserveN(time.Now(), workBurst)
	looked := false
	err := r.lookFor(within(t), x.me(), func(*group.Machine) { looked = true })
	if err != errQuota || looked {
		t.Errorf("beyond its share: %v, looked: %v", err, looked)
	}
	if answered, _ := x.hellos(ann, keys.Hash{}); answered != 0 {
		t.Error("beyond its share it is answered")
	}
}

// TestQuota_Bytes: whoever has been given its share gets more no faster than the
// table says.
func TestQuota_Bytes(t *testing.T) {
	ann, x := member(t)
	records, err := x.pulls(within(t), ann, new(group.Heights))
	ok(t, err)
	if len(records) == 0 {
		t.Error("nothing is given")
	}
	for range 2 {
		ann.quotas.of(x.me()).bytes.ReserveN(time.Now(), bytesBurst)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if records, err = x.pulls(ctx, ann, new(group.Heights)); err == nil || len(records) > 0 {
		t.Errorf("%d records beyond the share, %v", len(records), err)
	}
}

// TestQuota_IsForgotten: a crowd passing by leaves no more behind than the table
// has room for.
func TestQuota_IsForgotten(t *testing.T) {
	q, err := newQuotas()
	ok(t, err)
	var p keys.PeerID
	first := q.of(p)
	if q.of(p) != first {
		t.Error("a quota is not remembered")
	}
	for i := range 2 * quotaPeers {
		p[0], p[1] = byte(i), byte(i>>8)
		q.of(p)
	}
	if n := q.peers.Len(); n != quotaPeers {
		t.Errorf("%d peers are remembered", n)
	}
}

// TestOffer_NudgeFromStranger: only whoever was asked makes this node repeat its
// requests. Nothing else wakes them here: neither the clock nor who comes.
func TestOffer_NudgeFromStranger(t *testing.T) {
	n, err := Open(Config{Home: t.TempDir() + "/ann"})
	ok(t, err)
	ctx, end := context.WithCancel(context.Background())
	n.ctx = ctx
	n.net, err = mesh.New(ctx, mesh.Config{Identity: n.self, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	ok(t, err)
	t.Cleanup(func() {
		end()
		n.wg.Wait()
		ok(t, errors.Join(n.net.Close(), n.close()))
	})
	n.serveStreams()
	ann, x, z := &player{t: t, Node: n}, newPuppet(t), newPuppet(t)
	ok(t, x.know(ann))
	ok(t, z.know(ann))
	asked := make(chan struct{}, 100)
	z.net.Handle(protoJoin, func(_ context.Context, s *mesh.Stream) {
		if _, err := s.ReadFrame(maxFrame); err == nil {
			put(s, joinAnswer{Status: joinRequested})
			asked <- struct{}{}
		}
	})
	ok(t, n.change(func(d *directory) { d.Joins = append(d.Joins, joinRef{Peer: z.me(), State: stateRequested}) }))
	nudges := func(p *puppet) (wakes bool) {
		s := p.open(ann, protoOffer)
		ok(t, put(s, offer{}))
		var a ack
		ok(t, get(s, &a))
		return len(n.asks) > 0
	}
	if nudges(x) {
		t.Error("a stranger has a request repeated")
	}
	if !nudges(z) {
		t.Error("who was asked does not have it repeated")
	}
	n.wg.Go(func() { n.keepJoining(ctx) })
	take(t, "the request", asked)
	take(t, "the same, because of the nudge", asked)
}

// TestQuota_Links: who has a link, or says so, opens as many streams as whoever
// asks without, and pays for what is looked up.
func TestQuota_Links(t *testing.T) {
	ann, x := member(t)
	ask := func() error {
		s, err := x.net.Open(within(t), ann.me, protoLink)
		if err != nil {
			return err
		}
		defer s.Close()
		req := group.JoinRequest{Approver: ann.me, Group: x.gid[:], Bundle: x.bundle.Raw()}
		var a joinAnswer
		err = errors.Join(s.WriteFrame(group.SignJoinRequest(x.id, req)), put(s, linkProof{Invite: keys.Hash{1}}), get(s, &a))
		if err == nil && a.Status != joinNotFound {
			t.Errorf("status %d", a.Status)
		}
		return err
	}
	ok(t, ask())
	work := ann.quotas.of(x.me()).work
	work.ReserveN(time.Now(), workBurst)
	work.ReserveN(time.Now(), workBurst)
	if ask() == nil {
		t.Error("it is looked up for who has used up its time")
	}
	began, refused := time.Now(), ann.counts.refusedStreams.Load()
	links := streamQuotas()[protoLink]
	tries := 3 * links.Burst()
	for range tries {
		ask()
	}
	least := int64(tries - links.Burst() - int(float64(links.Limit())*time.Since(began).Seconds()) - 1)
	if got := ann.counts.refusedStreams.Load() - refused; int64(got) < least {
		t.Errorf("%d of %d streams are refused, want %d", got, tries, least)
	}
}
