package node

import (
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// twice has the puppet sign different messages under one number.
func (p *puppet) twice(text string) (out [3][]byte) {
	p.t.Helper()
	rd, err := p.step(line(text))
	ok(p.t, err)
	if len(rd.Batch.Messages) != 1 {
		p.t.Fatal("the line is held")
	}
	out[0] = rd.Batch.Messages[0].Payload
	for i := range out[1:] {
		m := p.messageIn(out[i])
		m.Time++
		out[i+1] = p.signs(m)
	}
	return out
}

func (p *puppet) messageIn(payload []byte) group.Msg {
	p.t.Helper()
	v, err := group.Decode(p.gid, payload)
	ok(p.t, err)
	return *v.Msg()
}

func (p *puppet) signs(m group.Msg) []byte {
	return signed(group.KindMessage, p.id, p.gid, keys.Marshal(&m))
}

// Both records may come in one turn: the first is not on disk yet when the second
// shows what they are.
func TestEvidenceOfOneTurn(t *testing.T) {
	ann, x := member(t)
	r := ann.roomOf(x.gid.String())
	var js []job
	for _, b := range x.twice("hello") {
		v, err := group.Decode(r.gid, b)
		ok(t, err)
		js = append(js, job{events: []group.Event{group.Received{Record: v}}, done: make(chan outcome, 1)})
	}
	ok(t, r.look(within(t), func(*group.Machine) { r.turn(js) }))
	proves(t, ann.evidence(x.gid.String()), x.gid.String(), x.me(), "messages")
}

// TestAlarmsOfOnePerson: who signs twice again and again is one person to be
// told of, and what others did is not in that person's file. A third record of a
// number tells nothing new, after a restart either; and of a group that was left
// nothing is told.
func TestAlarmsOfOnePerson(t *testing.T) {
	ann, x := member(t)
	gid := x.gid.String()
	y := newPuppet(t)
	ok(t, y.know(ann))
	y.joins(ann, gid)
	var third []byte
	for _, p := range []*puppet{x, x, y} {
		b := p.twice("hello")
		ann.receives(gid, b[0], b[1])
		third = b[2]
	}
	count := func(want int) {
		t.Helper()
		s, err := ann.Status(within(t))
		ok(t, err)
		if s.Alarms != want {
			t.Errorf("%d people are told of, want %d", s.Alarms, want)
		}
	}
	count(2)
	all, err := ann.Doctor(within(t))
	ok(t, err)
	if i := slices.IndexFunc(all, func(f Finding) bool { return strings.Contains(f.Says, x.me().Short()) }); i < 0 || !strings.HasSuffix(all[i].Says, "did so once more") {
		t.Errorf("doctor says %+v", all)
	}
	for who, want := range map[string]int{x.me().String(): 2, y.me().String(): 1, "": 3} {
		e, err := ann.Evidence(within(t), gid, who)
		ok(t, err)
		if len(e.Forks) != want || slices.ContainsFunc(e.Forks, func(f Fault) bool { return who != "" && f.PeerID != who }) {
			t.Errorf("of %q: %+v", who, e.Forks)
		}
	}
	text, lines := ann.evidence(gid), ann.alarmLines(gid)
	ok(t, ann.down())
	ann.up()
	ann.receives(gid, third)
	if got := ann.alarmLines(gid); len(got) != len(lines) || ann.evidence(gid) != text {
		t.Errorf("a third record is told of: %d lines in place of %d", len(got), len(lines))
	}
	_, err = ann.Leave(within(t), gid, true)
	ok(t, err)
	count(0)
}

// TestAdviceFitsWhoReadsIt: what there is to do about somebody who signs twice
// depends on who they are, and on who is told.
func TestAdviceFitsWhoReadsIt(t *testing.T) {
	ann := inMemory(t, "ann")
	bob := inMemory(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	carol, dan := newPuppet(t), newPuppet(t)
	for _, p := range []*puppet{carol, dan} {
		ok(t, p.know(ann))
		p.joins(ann, gid)
	}
	for p, caps := range map[keys.PeerID]string{bob.me: "kick", carol.me(): "approve"} {
		_, err := ann.AddDeputy(within(t), gid, p.String(), []string{caps})
		ok(t, err)
	}
	advice := func(to *player, gid string, of keys.PeerID) (says string) {
		r := to.roomOf(gid)
		ok(t, r.look(within(t), func(m *group.Machine) { says = r.advice(m, of) }))
		return says
	}
	await(t, "the deputies at bob", func() (know bool) {
		ok(t, bob.roomOf(gid).look(within(t), func(m *group.Machine) {
			know = m.Role(carol.me()) == "deputy" && m.Role(bob.me) == "deputy" && m.IsMember(dan.me())
		}))
		return know
	})
	talk, err := ann.DM(within(t), bob.id(), "")
	ok(t, err)
	for _, c := range []struct {
		to   *player
		gid  string
		of   keys.PeerID
		want string
	}{
		{ann, gid, ann.me, "your own identity"},
		{ann, gid, bob.me, "conclave deputy remove"},
		{ann, gid, dan.me(), "`conclave kick"},
		{bob, gid, ann.me, "conclave group fork"},
		{bob, gid, dan.me(), "`conclave kick"},
		{bob, gid, carol.me(), "ask the owner"},
		{ann, talk.GroupID, bob.me, "in person"},
	} {
		if got := advice(c.to, c.gid, c.of); !strings.Contains(got, c.want) {
			t.Errorf("%s is told of ·%s: %q, want %q", c.to.name, c.of.Short(), got, c.want)
		}
	}
	_, err = ann.Kick(within(t), gid, dan.me().String())
	ok(t, err)
	if got := advice(ann, gid, dan.me()); got != "" {
		t.Errorf("of who is gone: %q", got)
	}
}

// TestEvidenceOfASpoiltSignature: whoever gives a range may spoil all its signatures
// but the last. What its author signed twice is proved all the same.
func TestEvidenceOfASpoiltSignature(t *testing.T) {
	ann, x := member(t)
	gid := x.gid.String()
	y := newPuppet(t)
	ok(t, y.know(ann))
	y.joins(ann, gid)
	for _, rangeFirst := range []bool{true, false} {
		p := map[bool]*puppet{true: x, false: y}[rangeFirst]
		b := p.twice("one")
		log := [][]byte{b[0]}
		for _, text := range []string{"two", "three"} {
			rd, err := p.step(line(text))
			ok(t, err)
			log = append(log, rd.Batch.Messages[0].Payload)
		}
		for i := range log[:2] {
			log[i] = slices.Clone(log[i])
			log[i][len(log[i])-1] ^= 1
		}
		if !rangeFirst {
			ann.receives(gid, b[1])
		}
		r := ann.roomOf(gid)
		evs, err := r.eventsOf(batch{Ranges: [][][]byte{log}})
		ok(t, err)
		_, err = r.do(within(t), evs...)
		ok(t, err)
		if rangeFirst {
			ann.receives(gid, b[1])
		}
		e, err := ann.Evidence(within(t), gid, p.me().String())
		ok(t, err)
		if e.Evidence == nil {
			t.Fatalf("the range first: %v: nothing is proved", rangeFirst)
		}
		proves(t, *e.Evidence, gid, p.me(), "messages")
	}
}

// An alarm whose records cannot be read any more is told of; its proof has to come
// from somebody else.
func TestDamagedAlarmIsTold(t *testing.T) {
	ann, x := member(t)
	gid := x.gid.String()
	b := x.twice("hello")
	ann.receives(gid, b[0], b[1])
	ok(t, ann.down())
	ann.damage(gid, "/x")
	ann.up()
	lines, err := ann.Log(within(t), gid, LogQuery{})
	ok(t, err)
	if !slices.ContainsFunc(lines, func(l LogLine) bool {
		return l.Kind == "event" && strings.Contains(*l.Reason, "signed two different messages")
	}) {
		t.Error("the log says nothing")
	}
	if s, err := ann.Status(within(t)); err != nil || s.Alarms != 1 {
		t.Errorf("status: %+v, %v", s, err)
	}
	if e, err := ann.Evidence(within(t), gid, ""); err == nil || KindOf(err) != KindError || e.Evidence != nil || !strings.Contains(err.Error(), "not whole") {
		t.Errorf("evidence: %+v, %v", e, err)
	}
}

// More proofs than a file holds: one person's at a time.
func TestEvidenceOfMany(t *testing.T) {
	ann, x := member(t)
	r := ann.roomOf(x.gid.String())
	m := x.messageIn(x.twice("hello")[0])
	m.Prev = keys.Hash{1}
	var b store.Batch
	for range group.MaxForks + 1 {
		m.Seq++
		other := m
		other.Time++
		p := place{x.me(), m.Lane, m.Seq, group.KindMessage}
		r.disk.space.Put(&b, alarmPrefix+p.String(), keys.Marshal(alarmRecord{First: x.signs(m), Second: x.signs(other)}))
	}
	ok(t, r.n.db.Commit(&b))
	if _, err := ann.Evidence(within(t), x.gid.String(), ""); KindOf(err) != KindUsage || !strings.Contains(err.Error(), "more than 64") {
		t.Errorf("%v", err)
	}
}

// Whoever is given a file that proves nothing is told what is wrong with it.
func TestFilesThatAreNone(t *testing.T) {
	const kind = "CONCLAVE EVIDENCE"
	newer := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte{0x83, 9, 0, 0}})
	for text, want := range map[string]string{
		"":                        "this is no evidence, or a byte of it was changed",
		string(newer):             "a form that is not known",
		strings.Repeat("x", 17e6): "empty, or too large",
	} {
		if _, err := VerifyEvidence([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// A key made by who did not know of a removal stands apart from those without the
// person.
func TestExclusionTellsWhatStandsApart(t *testing.T) {
	made := func(n byte) group.ProvenEntry { return group.ProvenEntry{Hash: keys.Hash{n}, Gen: uint64(n)} }
	x := exclusionOf(group.Exclusion{Epochs: []group.ProvenEntry{made(3), made(2)}, Apart: []group.ProvenEntry{made(4)}})
	if x.First != 2 || x.Last != 3 || len(x.EIDs) != 2 || !slices.Equal(x.Apart, []string{keys.Hash{4}.String()}) {
		t.Errorf("%+v", x)
	}
}
