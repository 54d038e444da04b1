package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// TestAbuse_NM10_JoinRequestFlood: requests of a thousand identities. 32 wait, the
// newest ones; each was answered in time; the owner's own questions are answered
// meanwhile; memory does not grow with their number.
func TestAbuse_NM10_JoinRequestFlood(t *testing.T) {
	count := 384 // with fewer, what the heap does by itself counts for too much
	if thorough() {
		count = 1000
	}
	ann := inMemory(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	var slowest time.Duration
	ask := func(n int) (last []string) {
		cmd := exec.Command(os.Args[0], ann.id(), ann.net.Addrs()[0], gid, fmt.Sprint(n))
		cmd.Env = append(os.Environ(), partEnv+"=flood")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		ok(t, err)
		for l := range strings.Lines(string(out)) {
			var id string
			var ms int
			if _, err := fmt.Sscan(l, &id, &ms); err != nil {
				t.Fatalf("%q: %v", l, err)
			}
			last = append(last, id)
			slowest = max(slowest, time.Duration(ms)*time.Millisecond)
		}
		return last
	}
	ask(count / 2)
	debug.FreeOSMemory()
	half := heap()
	last := ask(count / 2)
	debug.FreeOSMemory()
	grown := int64(heap()) - int64(half)

	began := time.Now()
	waiting, err := ann.Requests(within(t), gid)
	ok(t, err)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the owner waited %s", took)
	}
	if len(waiting) != group.MaxRequests {
		t.Errorf("%d requests wait", len(waiting))
	}
	for _, q := range waiting {
		if !slices.Contains(last, q.PeerID) {
			t.Error("an old request waits in place of a new one")
		}
	}
	if slowest > 10*time.Second {
		t.Errorf("a request was answered after %s", slowest)
	}
	if perPeer := grown / int64(count/2); perPeer > 16<<10 {
		t.Errorf("the heap grew by %d bytes for each identity", perPeer)
	}
	t.Logf("%d identities, slowest answer %s, heap grew by %d KiB over the second half", count, slowest.Round(time.Millisecond), grown>>10)
}

// oneRequest asks once as somebody new.
func oneRequest(to keys.PeerID, addr string, gid keys.Hash) (id string, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	self, err := keys.GenerateIdentity()
	if err != nil {
		return "", 0, err
	}
	b, _, err := keys.GenerateBundle(self, uint64(time.Now().UnixMilli()))
	if err != nil {
		return "", 0, err
	}
	net, err := mesh.New(ctx, mesh.Config{Identity: self})
	if err != nil {
		return "", 0, err
	}
	defer net.Close()
	if err := net.Connect(ctx, to, addr); err != nil {
		return "", 0, err
	}
	began := time.Now()
	s, err := net.Open(ctx, to, protoJoin)
	if err != nil {
		return "", 0, err
	}
	req := group.JoinRequest{Approver: to, Group: gid[:], Bundle: b.Raw()}
	var a joinAnswer
	if err := errors.Join(s.WriteFrame(group.SignJoinRequest(self, req)), get(s, &a)); err != nil {
		return "", 0, err
	}
	if a.Status != joinRequested {
		err = fmt.Errorf("answer %d", a.Status)
	}
	return self.PeerID().String(), time.Since(began), err
}

// TestAbuse_NM12_StrangerIsRefused: somebody who is no member asks for everything, by
// the group's true ID and true epochs, with its own bundle and with a member's.
// It gets no record, no key, no member's name or address.
func TestAbuse_NM12_StrangerIsRefused(t *testing.T) {
	ann, bob := inMemory(t, "ann"), inMemory(t, "bob")
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	gid := newGroup(t, CreateGroup{History: "all"}, ann, bob)
	ann.say(gid, "for members")
	ks, err := ann.Keys(within(t), gid)
	ok(t, err)
	x := newPuppet(t)
	x.gid = ann.roomOf(gid).gid
	ok(t, x.know(ann))

	s := x.open(ann, protoSync)
	ok(t, put(s, hello{GID: x.gid, Wish: true}))
	var w welcome
	ok(t, get(s, &w))
	if w.Member || w.Farewell || w.Root != (keys.Hash{}) || len(w.Peers) > 0 {
		t.Errorf("a stranger is welcomed with %+v", w)
	}
	put(s, group.Heights{})
	if b, err := s.ReadFrame(maxFrame); err == nil {
		t.Errorf("a stranger is sent %d bytes", len(b))
	}

	var eids []keys.Hash
	for _, k := range ks {
		eid, err := keys.ParseHash(k.EID)
		ok(t, err)
		eids = append(eids, eid)
	}
	for name, bundle := range map[string][]byte{"own": x.bundle.Raw(), "ann's": ann.ownBundle().Raw(), "none": nil} {
		s := x.open(ann, protoKey)
		ok(t, put(s, keyAsk{GID: x.gid, Bundle: bundle, EIDs: eids}))
		var a keyAnswer
		err := get(s, &a)
		if name != "own" && err == nil {
			t.Errorf("with %s bundle: answered", name)
		}
		for _, it := range a.Items {
			if len(it.Envelope) > 0 || it.Refusal == group.RefusedNone {
				t.Errorf("with %s bundle: given a key", name)
			}
		}
	}

	s, a, err := x.asksToJoin(ann, x.gid)
	ok(t, err)
	if a.Status != joinRequested {
		t.Errorf("asking to join: %d", a.Status)
	}
	if b, err := s.ReadFrame(maxFrame); err == nil {
		t.Errorf("asking to join: %d bytes beside the answer", len(b))
	}
	if _, a, err := x.asksToJoin(ann, keys.Sum([]byte("no group"))); err != nil || a.Status != joinNotFound || len(a.GID) > 0 {
		t.Errorf("of a group that is not: %+v, %v", a, err)
	}
}

// TestAbuse_NO05_NoiseOnEveryProtocol: random bytes, true frames with some of them
// changed or cut off, and lengths without bytes, on every protocol that the node
// registers. Streams end, the node does not; nothing is logged.
func TestAbuse_NO05_NoiseOnEveryProtocol(t *testing.T) {
	rounds := 60
	if thorough() {
		rounds = 2000
	}
	rng := seed(t)
	ann, x := inMemory(t, "ann"), newPuppet(t)
	gid := newGroup(t, CreateGroup{}, ann)
	x.gid = ann.roomOf(gid).gid
	ok(t, x.know(ann))
	join := group.JoinRequest{Approver: ann.me, Group: x.gid[:], Bundle: x.bundle.Raw()}
	frames := map[string][]byte{
		protoJoin:  group.SignJoinRequest(x.id, join),
		protoKey:   keys.Marshal(keyAsk{GID: x.gid, Bundle: x.bundle.Raw(), EIDs: []keys.Hash{x.gid}}),
		protoSync:  keys.Marshal(hello{GID: x.gid}),
		protoOffer: keys.Marshal(offer{GID: x.gid, Name: "team"}),
		protoLink:  group.SignJoinRequest(x.id, join),
		protoKept:  keys.Marshal(keptAsk{GID: x.gid}),
		protoSeek:  keys.Marshal(seek{Tag: x.gid}),

		protoWithdraw: keys.Marshal(withdrawal{GID: x.gid}),
	}
	for _, other := range []string{"/meshsub/1.1.0", "/meshsub/1.2.0", "/meshsub/1.3.0", "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0"} {
		frames[other] = nil
	}
	quiet := ann.log.String()
	for proto, frame := range frames {
		opened := 0
		for range rounds {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			s, err := x.net.Open(ctx, ann.me, proto)
			if err == nil {
				opened++
				s.SetIdle(time.Second)
				noise(rng, s, frame)
			}
			cancel()
		}
		if opened < rounds/2 && strings.HasPrefix(proto, "/conclave/") {
			t.Errorf("%s: only %d of %d streams were opened", proto, opened, rounds)
		}
	}
	ann.say(gid, "still here")
	y := newPuppet(t)
	ok(t, y.know(ann))
	y.joins(ann, gid)
	if log := strings.TrimPrefix(ann.log.String(), quiet); log != "" {
		t.Errorf("the node logged %d lines, such as %q", strings.Count(log, "\n"), lastLine(log))
	}
	waiting, err := ann.Requests(within(t), gid)
	ok(t, err)
	for _, q := range waiting {
		if q.PeerID != x.me().String() {
			t.Errorf("noise became a request of %s", q.PeerID)
		}
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// noise writes something on a stream, waits for what comes of it, and leaves in
// one of the ways there are.
func noise(rng *rand.Rand, s *mesh.Stream, frame []byte) {
	switch rng.IntN(4) {
	case 0: // anything
		frame = make([]byte, rng.IntN(2000))
		for i := range frame {
			frame[i] = byte(rng.Uint32())
		}
	case 1: // a true frame with a few bytes changed
		frame = slices.Clone(frame)
		for range 1 + rng.IntN(4) {
			if len(frame) > 0 {
				frame[rng.IntN(len(frame))] ^= byte(1 + rng.IntN(255))
			}
		}
	case 2: // cut off
		frame = frame[:rng.IntN(len(frame)+1)]
	case 3: // and then more
		frame = append(slices.Clone(frame), 0x9f, 0x9f, 0x9f)
	}
	if s.WriteFrame(frame) == nil && rng.IntN(2) == 0 {
		s.CloseWrite()
		s.ReadFrame(maxFrame)
	}
	if rng.IntN(2) == 0 {
		s.Reset()
	} else {
		s.Close()
	}
}

// TestAbuse_MM03_ReplayIsDropped: a member repeats another's message: in the same
// epoch, in a later one, in another group, and after a restart, when no cache
// remembers it. It is shown once.
func TestAbuse_MM03_ReplayIsDropped(t *testing.T) {
	ann, bob := newPlayer(t, "ann"), inMemory(t, "bob")
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	gid := newGroup(t, CreateGroup{}, ann, bob)
	x := newPuppet(t)
	ok(t, x.know(ann))
	x.joins(ann, gid)
	agree(t, gid, ann, bob)
	bob.say(gid, "once")
	ann.reads(gid, "once")
	var record []byte
	records, err := x.pulls(within(t), ann, new(group.Heights))
	ok(t, err)
	for _, payload := range records {
		if v, err := group.Decode(x.gid, payload); err == nil && v.Msg() != nil && v.Author() == bob.me {
			record = payload
		}
	}
	if record == nil {
		t.Fatal("x was not given bob's record")
	}
	replay := func(in string) mesh.Verdict {
		v := ann.roomOf(in).validate(x.me(), record)
		ok(t, ann.roomOf(in).look(within(t), func(*group.Machine) {})) // the loop has seen it
		return v
	}
	once := func(when string) {
		t.Helper()
		if texts := ann.texts(gid); len(texts) != 1 {
			t.Errorf("%s ann reads %q", when, texts)
		}
	}
	replay(gid)
	once("after a replay")
	_, err = ann.Rotate(within(t), gid)
	ok(t, err)
	replay(gid)
	once("after a replay in a later epoch")
	other := newGroup(t, CreateGroup{Name: "other"}, ann)
	if v := replay(other); v != mesh.Reject {
		t.Errorf("in another group the verdict is %v", v)
	}
	if texts := ann.texts(other); len(texts) != 0 {
		t.Errorf("in another group ann reads %q", texts)
	}
	ok(t, ann.down())
	ann.up()
	replay(gid)
	once("after a restart and a replay")
	if log := ann.log.String(); strings.Contains(log, "two different records") {
		t.Error("a replay is taken for a fork")
	}
}

// TestAbuse_RM05_HeldUntilTheNextKey: somebody left, and the owner is not there. What
// another member says is held, never sent under the old key, and leaves under
// one that the speaker mints.
func TestAbuse_RM05_HeldUntilTheNextKey(t *testing.T) {
	ann, bob, wit := inMemory(t, "ann"), inMemory(t, "bob"), newPuppet(t)
	cem := inMemory(t, "cem")
	for _, p := range []*player{bob, cem} {
		ok(t, p.net.Remember(ann.me, ann.net.Addrs()...))
	}
	ok(t, cem.net.Remember(bob.me, bob.net.Addrs()...))
	gid := newGroup(t, CreateGroup{}, ann, bob, cem)
	ok(t, wit.know(ann))
	ok(t, wit.know(bob))
	wit.joins(ann, gid)
	wit.enters(bob)
	agree(t, gid, ann, bob, cem)
	wit.meshed(bob)
	before, err := bob.Keys(within(t), gid)
	ok(t, err)
	ok(t, ann.down())
	_, err = cem.Leave(within(t), gid, false)
	ok(t, err)
	await(t, "the mark", func() bool {
		g, err := bob.Group(within(t), gid)
		ok(t, err)
		return g.Marked == "hard"
	})
	sent, err := bob.Send(within(t), gid, []string{"who is still here?"}, false, false)
	ok(t, err)
	if sent[0].State != "held" {
		t.Errorf("the line is %s at once", sent[0].State)
	}
	after := bob.say(gid, "anyone?")
	for _, k := range before {
		if k.EID == *after.EID {
			t.Errorf("the line left under key %d, which cem holds", k.Epoch)
		}
	}
	await(t, "both lines at the witness", func() bool {
		items := 0
		for _, payload := range wit.listened() {
			v, err := group.Decode(wit.gid, payload)
			ok(t, err)
			if x := v.Msg(); x != nil && v.Author() == bob.me {
				for _, k := range before {
					if keys.Hash(x.EID).String() == k.EID {
						t.Fatalf("sealed under key %d", k.Epoch)
					}
				}
				items++
			}
		}
		return items > 0
	})
}
