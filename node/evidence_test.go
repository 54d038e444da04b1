package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// twin is a second machine of somebody, who so signs everything twice. It begins
// where p's node stands.
type twin struct {
	t testing.TB
	m *group.Machine
}

func (p *player) twin(gid string) *twin {
	p.t.Helper()
	r := p.roomOf(gid)
	stored, err := r.disk.load()
	ok(p.t, err)
	return &twin{p.t, group.New(group.Config{GID: r.gid, Self: p.self, Direct: r.direct, Bundle: p.ownBundle()}, stored)}
}

// does takes one event and returns the records that it made.
func (w *twin) does(ev group.Event) [][]byte {
	w.t.Helper()
	entropy, err := keys.NewEntropy()
	ok(w.t, err)
	rd, err := w.m.Step(group.Input{Now: uint64(time.Now().UnixMilli()), Entropy: entropy, Event: ev})
	ok(w.t, err)
	return rd.Publish
}

func (w *twin) says(text string, plain bool) []byte {
	w.t.Helper()
	id, err := keys.NewItemID()
	ok(w.t, err)
	out := w.does(group.Send{Items: []group.Item{{ID: id, Text: text}}, Plain: plain})
	return out[len(out)-1]
}

// sets is the owner's change of how long a key serves.
func (w *twin) sets(hours int) []byte {
	w.t.Helper()
	s := w.m.Settings()
	s.MaxAge = uint64(hours) * 3_600_000
	return w.does(group.Change{Settings: s})[0]
}

// receives hands p what came to it from somebody.
func (p *player) receives(gid string, payloads ...[]byte) {
	p.t.Helper()
	r := p.roomOf(gid)
	for _, b := range payloads {
		v, err := group.Decode(r.gid, b)
		ok(p.t, err)
		_, err = r.do(within(p.t), group.Received{Record: v})
		ok(p.t, err)
	}
}

// alarmed waits until p knows of somebody who signed twice, and returns what is
// said of it where people look.
func (p *player) alarmed(gid string, of keys.PeerID) Alarm {
	p.t.Helper()
	var g GroupInfo
	await(p.t, "the alarm at "+p.name, func() (is bool) {
		var err error
		g, err = p.Group(within(p.t), gid)
		ok(p.t, err)
		return len(g.Alarms) > 0
	})
	a := g.Alarms[0]
	if a.PeerID != of.String() || a.Says == "" {
		p.t.Fatalf("%s is told of %+v", p.name, a)
	}
	return a
}

// toldEverywhere checks that status, doctor and log say what `group show` says.
func (p *player) toldEverywhere(gid string, a Alarm) {
	p.t.Helper()
	s, err := p.Status(within(p.t))
	ok(p.t, err)
	if s.Alarms != 1 {
		p.t.Errorf("%s: status counts %d alarms", p.name, s.Alarms)
	}
	all, err := p.Doctor(within(p.t))
	ok(p.t, err)
	if i := slices.IndexFunc(all, func(f Finding) bool { return f.Check == "alarm" }); i < 0 {
		p.t.Errorf("%s: doctor says nothing", p.name)
	} else if f := all[i]; f.State != act || f.Hint == nil || a.Hint == nil || *f.Hint != *a.Hint || strings.Contains(f.Says, p.id()) {
		p.t.Errorf("%s: doctor says %+v, not %v", p.name, f, a.Hint)
	}
	if n := len(p.alarmLines(gid)); n != 1 {
		p.t.Errorf("%s: %d lines in the log", p.name, n)
	}
}

// alarmLines reads the log twice, as a whole and from its end.
func (p *player) alarmLines(gid string) (out []LogLine) {
	p.t.Helper()
	for _, q := range []LogQuery{{}, {Last: true}} {
		lines, err := p.Log(within(p.t), gid, q)
		ok(p.t, err)
		lines = slices.DeleteFunc(lines, func(l LogLine) bool { return l.Kind != "event" || !strings.Contains(*l.Reason, "signed two different") })
		if q.Last && len(lines) != len(out) {
			p.t.Errorf("%s: %d lines of alarms from the begin, %d from the end", p.name, len(out), len(lines))
		}
		out = lines
	}
	for _, l := range out {
		if l.Sender == nil || l.Time == nil || l.Seq == nil {
			p.t.Errorf("%s: a line without who, when or where: %+v", p.name, l)
		}
		after, err := p.Log(within(p.t), gid, LogQuery{After: l.Cursor})
		ok(p.t, err)
		if slices.ContainsFunc(after, func(o LogLine) bool { return o.Cursor == l.Cursor }) {
			p.t.Error("the line comes again after its own cursor")
		}
	}
	return out
}

func (p *player) evidence(gid string) string {
	p.t.Helper()
	e, err := p.Evidence(within(p.t), gid, "")
	ok(p.t, err)
	if e.Evidence == nil {
		p.t.Fatalf("%s has no evidence", p.name)
	}
	return *e.Evidence
}

// proves checks a file as somebody does who never saw the group.
func proves(t *testing.T, text, gid string, who keys.PeerID, log string) Fault {
	t.Helper()
	faults, err := VerifyEvidence([]byte(text))
	ok(t, err)
	if len(faults) != 1 || faults[0].GroupID != gid || faults[0].PeerID != who.String() || faults[0].Log != log || faults[0].First.Hash == faults[0].Second.Hash {
		t.Fatalf("the file proves %+v", faults)
	}
	return faults[0]
}

// TestAbuse_MO01_ToldAtEveryMember: the owner signs two entries of one number,
// one for bob and one for carol. When they meet, both know, and hold the proof.
func TestAbuse_MO01_ToldAtEveryMember(t *testing.T) {
	ann := inMemory(t, "ann")
	bob, carol := inMemory(t, "bob", ann), inMemory(t, "carol", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob, carol)
	agree(t, gid, ann, bob, carol)
	one, other := ann.twin(gid), ann.twin(gid)
	for _, p := range []*player{ann, carol} {
		ok(t, p.down())
	}
	bob.receives(gid, one.sets(2))
	ok(t, bob.down())
	carol.up()
	carol.receives(gid, other.sets(3))
	bob.up(carol)
	for _, p := range []*player{bob, carol} {
		a := p.alarmed(gid, ann.me)
		if a.Log != "control" || !strings.Contains(*a.Hint, "group fork") {
			t.Errorf("%s is told %+v", p.name, a)
		}
		p.toldEverywhere(gid, a)
	}
	text := bob.evidence(gid)
	if text != carol.evidence(gid) {
		t.Error("two members have different files of one fork")
	}
	if f := proves(t, text, gid, ann.me, "control"); f.First.What != "SET" || f.First.Time == nil {
		t.Errorf("the first record is %+v", f.First)
	}

	bob.receives(gid, one.sets(4))
	for p, want := range map[*player]string{bob: "2h0m0s", carol: "3h0m0s"} {
		g, err := p.Group(within(t), gid)
		ok(t, err)
		if g.Settings.MaxAge != want {
			t.Errorf("at %s a key serves %s, want %s: what was applied stays, and nothing more comes", p.name, g.Settings.MaxAge, want)
		}
	}
	bob.say(gid, "we go on")
	carol.reads(gid, "we go on")
	_, err := carol.Rotate(within(t), gid)
	ok(t, err)
	agree(t, gid, bob, carol)
	carol.say(gid, "under a new key")
	bob.reads(gid, "under a new key")

	ok(t, carol.down())
	carol.up(bob)
	carol.toldEverywhere(gid, carol.alarmed(gid, ann.me))
	if carol.evidence(gid) != text {
		t.Error("a restart changed the evidence")
	}
}

// TestAbuse_MM05_EvidenceAtBoth: a member signs two messages of one number, for
// two others. Both keep the proof, and retention takes it from neither.
func TestAbuse_MM05_EvidenceAtBoth(t *testing.T) {
	ann, bob, gid, clock := pair(t)
	mallory := newPlayer(t, "mallory", ann)
	letIn(t, ann, mallory, gid)
	agree(t, gid, ann, bob, mallory)
	one, other := mallory.twin(gid), mallory.twin(gid)
	ok(t, mallory.down())
	ann.receives(gid, one.says("for ann", false))
	bob.receives(gid, other.says("for bob", true))
	texts := map[*player]string{}
	for _, p := range []*player{ann, bob} {
		a := p.alarmed(gid, mallory.me)
		p.toldEverywhere(gid, a)
		want := map[*player]string{ann: "conclave kick", bob: "ask the owner"}[p]
		if a.Log != "messages" || a.Seq != 1 || !strings.Contains(*a.Hint, want) {
			t.Errorf("%s is told %+v", p.name, a)
		}
		texts[p] = p.evidence(gid)
		if f := proves(t, texts[p], gid, mallory.me, "messages"); f.First.Plain == f.Second.Plain || f.First.What != "message" {
			t.Errorf("one record is plain and one sealed: %+v", f)
		}
	}
	if texts[ann] != texts[bob] {
		t.Error("two members have different files of one fork")
	}

	clock.Store(int64(30 * day))
	_, err := ann.Rotate(within(t), gid)
	ok(t, err)
	ann.say(gid, "later")
	ann.say(gid, "and later")
	clock.Store(int64(60 * day))
	if out := ann.retain(gid, "1d"); out.Keys == 0 {
		t.Errorf("nothing was erased: %+v", out)
	}
	_, err = ann.Kick(within(t), gid, mallory.id())
	ok(t, err)
	ok(t, ann.down())
	ann.onClock(clock)
	if ann.evidence(gid) != texts[ann] {
		t.Error("retention, a removal and a restart took the evidence")
	}
	s, err := ann.Status(within(t))
	ok(t, err)
	if a := ann.alarmed(gid, mallory.me); s.Alarms != 0 || a.Hint != nil {
		t.Errorf("%d alarms, %+v: there is nothing left to do about who is gone", s.Alarms, a)
	}
}

// TestAbuse_MO02_TwoCommitments: a minter sends envelopes to another key than that
// of its EPOCH. Nobody holds that key, and whoever hears of it has the proof.
func TestAbuse_MO02_TwoCommitments(t *testing.T) {
	f := newForgers(t)
	var epoch []byte
	f.x.publish = func(payload []byte) bool {
		if v, err := group.Decode(f.x.gid, payload); err == nil && v.Entry() != nil {
			epoch = payload
		}
		return true
	}
	_, err := f.x.step(group.Rotate{})
	ok(t, err)
	f.x.publish = nil
	if epoch == nil {
		t.Fatal("x made no key")
	}
	agree(t, f.gid, f.ann, f.bob)
	v, err := group.Decode(f.x.gid, epoch)
	ok(t, err)
	key := keys.Secret{1}
	c := group.Chunk{GID: f.x.gid, Minter: f.x.me(), Lane: v.Entry().Lane, Seq: v.Entry().Seq, KC: keys.Commitment(key, keys.Hash{1}, f.x.gid)}
	for _, p := range []*player{f.ann, f.bob} {
		ectx := keys.EnvelopeContext(c.GID, c.Minter, c.Lane, c.Seq, c.KC)
		ct, err := keys.SealEnvelope(p.ownBundle(), c.GID, ectx, c.Minter, key)
		ok(t, err)
		c.Envelopes = append(c.Envelopes, group.Envelope{Tag: keys.EnvelopeTag(ectx, p.me, p.ownBundle().Hash()), Data: ct})
	}
	slices.SortFunc(c.Envelopes, func(a, b group.Envelope) int { return slices.Compare(a.Tag[:], b.Tag[:]) })
	chunk := signed(group.KindChunk, f.x.id, c.GID, keys.Marshal(&c))
	if verdict := f.ann.roomOf(f.gid).validate(f.x.me(), chunk); verdict != mesh.Accept {
		t.Fatalf("verdict %v", verdict)
	}
	f.x.says(chunk)
	for _, p := range []*player{f.ann, f.bob} {
		a := p.alarmed(f.gid, f.x.me())
		if a.Log != "keys" {
			t.Errorf("%s is told %+v", p.name, a)
		}
		p.toldEverywhere(f.gid, a)
		proves(t, p.evidence(f.gid), f.gid, f.x.me(), "keys")
	}
	agree(t, f.gid, f.ann, f.bob)
	f.ann.say(f.gid, "under the right key")
	f.bob.reads(f.gid, "under the right key")
}

// A home that was written before alarms had kinds and proofs still tells of them.
func TestOlderAlarmIsTold(t *testing.T) {
	if p, ok := parsePlace("/x/" + strings.Repeat("ab", 32) + "/0000000000000000/0000000000000007"); !ok || p.seq != 7 || p.kind != 0 || p.logName() != "unknown" {
		t.Errorf("read as %+v, %v", p, ok)
	}
	for _, bad := range []string{"", "/x/ab/0/0", "/x/" + strings.Repeat("ab", 32) + "/0", "/x/" + strings.Repeat("ab", 32) + "/z/0", "/x/" + strings.Repeat("ab", 32) + "/0/0/4d/0"} {
		if _, ok := parsePlace(bad); ok {
			t.Errorf("%q is taken for an alarm", bad)
		}
	}
	if _, proved := new(disk).fork(readAlarm(place{}, nil)); proved {
		t.Error("an alarm without records is a proof")
	}
}

func TestFilesThatProveNothing(t *testing.T) {
	for _, text := range []string{"", "hello", "-----BEGIN CONCLAVE EVIDENCE-----\n-----END CONCLAVE EVIDENCE-----\n"} {
		if _, err := VerifyEvidence([]byte(text)); KindOf(err) != KindError || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
