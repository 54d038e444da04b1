package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

const day = 24 * time.Hour

// onClock restarts p, who is down or fresh, with a clock that a test moves.
func (p *player) onClock(offset *atomic.Int64, others ...*player) {
	p.t.Helper()
	p.cfg.Peers = nil
	for _, o := range others {
		p.cfg.Peers = append(p.cfg.Peers, o.addr())
	}
	n, err := Open(p.cfg)
	ok(p.t, err)
	n.now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	p.Node = n
	p.launch()
	<-p.Ready()
}

// pair is two people with one clock, in one group.
func pair(t *testing.T) (ann, bob *player, gid string, clock *atomic.Int64) {
	t.Helper()
	clock = new(atomic.Int64)
	ann, bob = newPlayer(t, "ann"), newPlayer(t, "bob")
	ok(t, ann.down())
	ok(t, bob.down())
	ann.onClock(clock)
	bob.onClock(clock, ann)
	return ann, bob, newGroup(t, CreateGroup{}, ann, bob), clock
}

func (p *player) retain(gid, keep string) Retention {
	p.t.Helper()
	out, err := p.Retain(within(p.t), gid, keep)
	ok(p.t, err)
	return out
}

// rows counts the message records on disk.
func (p *player) rows(gid string) (n int) {
	p.t.Helper()
	ok(p.t, p.roomOf(gid).disk.each("/m", func(string, []byte) error { n++; return nil }))
	return n
}

// pulls has p catch up with q, and waits until it has.
func (p *player) pulls(gid string, q *player) {
	p.t.Helper()
	await(p.t, "catch-up", func() bool { return p.roomOf(gid).pull(within(p.t), q.me, false) == nil })
}

// sealedRows returns how the message records lie in the files.
func (p *player) sealedRows(gid string) (out [][]byte) {
	p.t.Helper()
	var raw bytes.Buffer
	ok(p.t, store.WriteBackup(&raw, p.home, p.bag, p.db))
	for rest, found := raw.Bytes(), true; ; {
		if _, rest, found = bytes.Cut(rest, []byte("/g/"+gid+"/m/")); !found {
			return out
		}
		row := rest[bytes.LastIndexByte(rest[:64+1+16+1+16+1], '/')+1+32:]
		out = append(out, row[:40])
	}
}

// inHome reports whether a file of p's home holds these bytes.
func (p *player) inHome(what []byte) (found bool) {
	p.t.Helper()
	for _, dir := range []string{p.cfg.Home, filepath.Join(p.cfg.Home, "db")} {
		names, err := os.ReadDir(dir)
		ok(p.t, err)
		for _, n := range names {
			b, err := os.ReadFile(filepath.Join(dir, n.Name()))
			found = found || err == nil && bytes.Contains(b, what)
		}
	}
	return found
}

// TestRetention: what is older than a person keeps it is gone at that person:
// from the log, from every file, with its keys. Nobody brings it back, and the
// others keep what they keep.
func TestRetention(t *testing.T) {
	ann, bob, gid, clock := pair(t)
	ann.say(gid, "a1")
	bob.reads(gid, "a1")
	bob.say(gid, "b1")
	ann.reads(gid, "a1", "b1")
	_, err := ann.Rotate(within(t), gid)
	ok(t, err)
	agree(t, gid, ann, bob)
	ann.say(gid, "a2")
	bob.reads(gid, "a1", "b1", "a2")
	old := bob.sealedRows(gid)
	if len(old) != 3 || !bob.inHome(old[0]) || !bob.inHome(old[2]) {
		t.Fatalf("%d records, not in the files: the test looks for the wrong bytes", len(old))
	}
	var eids []keys.Hash
	ok(t, bob.roomOf(gid).look(within(t), func(m *group.Machine) {
		for _, e := range m.Epochs() {
			if e.Held {
				eids = append(eids, e.EID)
			}
		}
	}))
	clock.Store(int64(100 * day))
	ann.say(gid, "a3") // the key has served its time: a new one
	bob.reads(gid, "a1", "b1", "a2", "a3")
	bob.say(gid, "b3")
	ann.reads(gid, "a1", "b1", "a2", "a3", "b3")
	if g, err := bob.Group(within(t), gid); err != nil || g.Keep != nil {
		t.Errorf("keeps %v, %v", g.Keep, err)
	}

	out := bob.retain(gid, "90d")
	if out.Messages != 3 || out.Keys != len(eids) || *out.Keep != "90d" {
		t.Errorf("%+v with %d old epochs", out, len(eids))
	}
	if g, err := bob.Group(within(t), gid); err != nil || *g.Keep != "90d" {
		t.Errorf("keeps %v, %v", g.Keep, err)
	}
	for _, eid := range eids {
		if _, held := bob.bag.RoomKey(bob.roomOf(gid).gid, eid); held {
			t.Error("an old key is held")
		}
	}
	for i, row := range old {
		await(t, fmt.Sprint("the end of record ", i), func() bool { return !bob.inHome(row) })
	}
	whole := func(when string, rows int) {
		t.Helper()
		bob.pulls(gid, ann)
		ann.pulls(gid, bob)
		if n := bob.rows(gid); n != rows {
			t.Errorf("%s: %d records, want %d", when, n, rows)
		}
		for _, l := range bob.lines(gid) {
			if l.Kind == "unreadable" || l.Kind == "gap" {
				t.Errorf("%s: %s: %s", when, l.Kind, *l.Reason)
			}
		}
		if got := ann.texts(gid); len(got) < 5 || got[0] != "a1" {
			t.Errorf("%s: ann reads %q", when, got)
		}
	}
	bob.reads(gid, "a3", "b3")
	whole("after it", 2)
	ok(t, bob.down())
	bob.onClock(clock, ann)
	whole("after a start", 2)
	bob.reads(gid, "a3", "b3")
	bob.say(gid, "b4")
	ann.reads(gid, "a3", "b3", "b4")
	ann.say(gid, "a4")
	bob.reads(gid, "a3", "b3", "b4", "a4")

	clock.Store(int64(200 * day))
	ann.say(gid, "a5")
	bob.reads(gid, "b4", "a4", "a5")
	bob.retain(gid, "90d")
	bob.reads(gid, "a5")
	whole("a second time", 2) // a5, and b4 as the end of bob's log
	if got := bob.texts(gid); len(got) != 1 {
		t.Errorf("bob reads %q", got)
	}
	bob.say(gid, "b5")
	ann.reads(gid, "a5", "b5")
	quiet(t, gid, ann, bob)
}

// lines returns the whole log.
func (p *player) lines(gid string) []LogLine {
	p.t.Helper()
	out, err := p.Log(within(p.t), gid, LogQuery{})
	ok(p.t, err)
	return out
}

// TestRetentionKeepsTheCurrentKey: a key that may still be used stays, however
// old, and what stays readable on disk stays listed: the last record of each log.
func TestRetentionKeepsTheCurrentKey(t *testing.T) {
	ann, bob, gid, clock := pair(t)
	for _, text := range []string{"a1", "a2", "a3"} {
		ann.say(gid, text)
	}
	bob.reads(gid, "a1", "a2", "a3")
	clock.Store(int64(100 * day))
	if out := bob.retain(gid, "2160h"); out.Messages != 2 || out.Keys != 0 {
		t.Errorf("%+v", out)
	}
	bob.pulls(gid, ann)
	if got := bob.texts(gid); fmt.Sprint(got) != "[a3]" {
		t.Errorf("bob reads %q", got)
	}
	bob.retain(gid, "forever")
	if g, err := bob.Group(within(t), gid); err != nil || g.Keep != nil {
		t.Errorf("keeps %v, %v", g.Keep, err)
	}
	ann.say(gid, "a4")
	bob.reads(gid, "a3", "a4")
}

// TestRetentionOfTheFuture: a line whose author claims a time to come is kept no
// longer than others, counted from when it was noticed.
func TestRetentionOfTheFuture(t *testing.T) {
	ann, bob, gid, clock := pair(t)
	late := new(atomic.Int64)
	late.Store(int64(3 * year))
	ok(t, ann.down())
	ann.onClock(late)
	ok(t, bob.down())
	bob.onClock(clock, ann)
	ann.say(gid, "from years to come")
	ann.say(gid, "and its next")
	bob.reads(gid, "from years to come", "and its next")
	if out := bob.retain(gid, "90d"); out.Messages != 0 {
		t.Errorf("%+v", out)
	}
	clock.Store(int64(80 * day))
	if out := bob.retain(gid, "90d"); out.Messages != 0 {
		t.Errorf("after 80 days: %+v", out)
	}
	clock.Store(int64(91 * day))
	if out := bob.retain(gid, "90d"); out.Messages != 1 {
		t.Errorf("after 91 days: %+v", out)
	}
}

// keeping is a pair of whom bob keeps lines for 90 days, holds two, and is down.
func keeping(t *testing.T) (ann, bob *player, gid string, clock *atomic.Int64) {
	t.Helper()
	ann, bob, gid, clock = pair(t)
	bob.retain(gid, "90d")
	ann.say(gid, "a1")
	ann.say(gid, "a2")
	bob.reads(gid, "a1", "a2")
	ok(t, bob.down())
	return ann, bob, gid, clock
}

// TestRetentionAtTheStart: what became too old while the node was down is erased
// when it starts.
func TestRetentionAtTheStart(t *testing.T) {
	ann, bob, gid, clock := keeping(t)
	clock.Store(int64(100 * day))
	bob.onClock(clock, ann)
	await(t, "the end of a1", func() bool { return bob.rows(gid) == 1 })
}

// TestRetentionDoubtsItsClock: a clock far ahead of the members' erases nothing
// unless somebody says so now.
func TestRetentionDoubtsItsClock(t *testing.T) {
	ann, bob, gid, clock := keeping(t)
	ahead := new(atomic.Int64)
	ahead.Store(int64(100 * day))
	bob.onClock(ahead, ann)
	await(t, "ann's clock at bob", bob.clocks.known)
	bob.retainDue(within(t))
	if got := bob.rows(gid); got != 2 {
		t.Errorf("%d records are left", got)
	}
	if !strings.Contains(bob.log.String(), "old messages are not erased") {
		t.Error("it is not told")
	}
	if f := bob.checkClock(); !strings.Contains(f.Says, "100 days ahead") || !strings.Contains(f.Says, "no old messages are erased") {
		t.Errorf("doctor says %q", f.Says)
	}
	clock.Store(int64(100 * day))           // bob was right
	await(t, "the end of a1", func() bool { // what ann's clock read before may still be on its way
		bob.pulls(gid, ann)
		bob.retainDue(within(t))
		return bob.rows(gid) == 1
	})
}

// TestRetentionDoubtsADayAhead: a clock that is behind, or little ahead, is no
// reason to keep anything.
func TestRetentionDoubtsADayAhead(t *testing.T) {
	for theirs, doubts := range map[time.Duration]bool{-25 * time.Hour: true, -23 * time.Hour: false, 25 * time.Hour: false} {
		n, now := new(Node), uint64(50*year.Milliseconds())
		if n.clockRuns() {
			t.Error("a clock is doubted that can be compared with none")
		}
		n.clocks.note(keys.PeerID{1}, now+uint64(theirs.Milliseconds()), now)
		if n.clockRuns() != doubts {
			t.Errorf("members' clocks are off by %s: doubted %v", theirs, !doubts)
		}
	}
}

func TestParseKeep(t *testing.T) {
	for text, want := range map[string]time.Duration{"90d": 90 * day, "36h": 36 * time.Hour, "1s": time.Second, "forever": 0, "36500d": 36500 * day} {
		if d, err := parseKeep(text); err != nil || d != want {
			t.Errorf("%s: %v %v", text, d, err)
		}
	}
	for _, text := range []string{"", "0", "0d", "-1d", "d", "90", "99999999999999d", "36501d", "1ms", "1d2h", "ever"} {
		if d, err := parseKeep(text); KindOf(err) != KindUsage || err == nil {
			t.Errorf("%q is %v", text, d)
		}
	}
}
