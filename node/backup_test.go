package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"conclave/group"
	"conclave/keys"
)

// backedUp is a backup of a player, and what opens it.
type backedUp struct {
	file bytes.Buffer
	key  *age.X25519Identity
}

func (p *player) backUp() *backedUp {
	p.t.Helper()
	key, err := age.GenerateX25519Identity()
	ok(p.t, err)
	b := &backedUp{key: key}
	write, err := p.Backup([]string{key.Recipient().String()})
	ok(p.t, err)
	ok(p.t, write(&b.file))
	return b
}

// restored is the player of a home restored from b, not started yet.
func restored(t *testing.T, name string, b *backedUp) (*player, Restored) {
	t.Helper()
	p := &player{t: t, name: name, cfg: Config{
		Home: filepath.Join(t.TempDir(), name), Listen: []string{"/ip4/127.0.0.1/tcp/0"},
	}}
	out, err := Restore(p.cfg.Home, bytes.NewReader(b.file.Bytes()), b.key)
	ok(t, err)
	return p, out
}

// quiet fails where somebody signed two records under one number, or was told so.
func quiet(t *testing.T, gid string, all ...*player) {
	t.Helper()
	for _, p := range all {
		if log := p.log.String(); strings.Contains(log, "two different records") {
			t.Errorf("%s: %s", p.name, log)
		}
		r := p.roomOf(gid)
		for _, kind := range []string{"/c", "/m"} {
			seen := map[string]bool{}
			ok(t, r.disk.each(kind, func(key string, _ []byte) error {
				at := key[:strings.LastIndex(key, "/")] // without the hash
				if seen[at] {
					t.Errorf("%s holds two records at %s", p.name, at)
				}
				seen[at] = true
				return nil
			}))
		}
	}
}

// TestRestoredWithNobodyInReach (S8): what the node said after its backup is
// lost to the restored one, which speaks, and changes the key, before it meets
// anybody. No number is used twice, and everything is read everywhere.
func TestRestoredWithNobodyInReach(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	bob.say(gid, "before")
	ann.reads(gid, "before")
	backup := bob.backUp()
	bob.say(gid, "after the backup")
	_, err := bob.Rotate(within(t), gid)
	ok(t, err)
	bob.say(gid, "under a key after the backup")
	ann.reads(gid, "before", "after the backup", "under a key after the backup")
	old := bob.ownBundle()
	ok(t, bob.down())

	again, out := restored(t, "again", backup)
	if out.PeerID != bob.id() || out.Groups != 1 || out.Held != 0 {
		t.Errorf("restored %+v", out)
	}
	again.up()
	if b := again.ownBundle(); b.Seq <= old.Seq {
		t.Error("the bundle is the old one")
	}
	again.reads(gid, "before")
	again.say(gid, "restored")
	_, err = again.Rotate(within(t), gid)
	ok(t, err)
	again.say(gid, "under a new key")
	ok(t, again.down())
	again.up(ann)
	agree(t, gid, ann, again)
	want := []string{"before", "after the backup", "under a key after the backup", "restored", "under a new key"}
	for _, p := range []*player{ann, again} {
		await(t, "all lines at "+p.name, func() bool { return containsAll(p.texts(gid), want) })
	}
	again.say(gid, "on")
	ann.reads(gid, "on")
	ann.say(gid, "welcome back")
	again.reads(gid, "welcome back")
	quiet(t, gid, ann, again)
	if log := again.log.String(); strings.Contains(log, "copied") {
		t.Errorf("a restored node takes what it said before for a copy's: %s", log)
	}
}

func containsAll(got, want []string) bool {
	for _, w := range want {
		if !slices.Contains(got, w) {
			return false
		}
	}
	return len(got) == len(want)
}

// TestRestoredOwner: an owner restored from a backup knows nothing of what it
// signed since, and goes on as the owner.
func TestRestoredOwner(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	cem := newPlayer(t, "cem", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	backup := ann.backUp()
	letIn(t, ann, cem, gid) // after it
	agree(t, gid, ann, bob, cem)
	ann.say(gid, "all here")
	bob.reads(gid, "all here")
	cem.reads(gid, "all here")
	ok(t, ann.down())

	again, _ := restored(t, "again", backup)
	again.up(bob, cem)
	again.reads(gid, "all here")
	agree(t, gid, again, bob, cem)
	again.say(gid, "still the owner")
	bob.reads(gid, "still the owner")
	cem.reads(gid, "still the owner")
	_, err := again.Kick(within(t), gid, cem.id())
	ok(t, err)
	agree(t, gid, again, bob)
	again.say(gid, "two of us")
	bob.reads(gid, "two of us")
	quiet(t, gid, again, bob)
}

// heldLine is a player with one line that cannot leave: carol was never seen.
func heldLine(t *testing.T) (bob, carol *player, gid string) {
	t.Helper()
	carol = newPlayer(t, "carol")
	ok(t, carol.down())
	bob = newPlayer(t, "bob")
	sent, err := bob.DM(within(t), carol.id(), "hello")
	ok(t, err)
	if sent.State != "held" {
		t.Fatalf("the line is %s", sent.State)
	}
	return bob, carol, sent.GroupID
}

// TestHeldInTheBackupLeftSince (S9): the line left from the node before. The
// restored one does not send it again, and forgets it when it hears so.
func TestHeldInTheBackupLeftSince(t *testing.T) {
	bob, carol, gid := heldLine(t)
	backup := bob.backUp()
	ok(t, bob.net.Remember(carol.me)) // its address comes with the next line
	carol.up(bob)
	carol.hears(gid)
	carol.reads(gid, "hello")
	ok(t, bob.down())

	again, out := restored(t, "again", backup)
	if out.Held != 1 {
		t.Errorf("%d lines held", out.Held)
	}
	again.up()
	if got := again.parkedTexts(gid); fmt.Sprint(got) != "[hello]" {
		t.Errorf("parked: %q", got)
	}
	ok(t, again.net.Remember(carol.me, carol.net.Addrs()...))
	await(t, "news that it left", func() bool { return len(again.parkedTexts(gid)) == 0 })
	again.say(gid, "again here")
	carol.reads(gid, "hello", "again here")
	if got := carol.texts(gid); len(got) != 2 {
		t.Errorf("carol reads %q", got)
	}
}

// TestHeldInTheBackupNeverLeft: nobody sent the line. It waits for the person's
// word, whoever is in reach, and leaves under its old ID, once.
func TestHeldInTheBackupNeverLeft(t *testing.T) {
	bob, carol, gid := heldLine(t)
	id := *bob.roomOf(gid).endLinesNow(t)[0].MessageID
	backup := bob.backUp()
	ok(t, bob.down())

	again, _ := restored(t, "again", backup)
	again.up()
	carol.up(again)
	again.say(gid, "first")
	carol.hears(gid)
	carol.reads(gid, "first")
	if got := again.parkedTexts(gid); fmt.Sprint(got) != "[hello]" {
		t.Errorf("parked: %q", got)
	}
	if end := again.roomOf(gid).endLinesNow(t); len(end) != 1 || *end[0].State != "held" || *end[0].Text != "hello" {
		t.Errorf("the log does not end with it: %+v", end)
	}
	sent, err := again.SendParked(within(t), gid)
	ok(t, err)
	if len(sent) != 1 || sent[0].MessageID != id {
		t.Errorf("sent %+v", sent)
	}
	carol.reads(gid, "first", "hello")
	if got := again.parkedTexts(gid); len(got) != 0 {
		t.Errorf("parked: %q", got)
	}
	ok(t, again.down())
	again.up()
	if got := again.parkedTexts(gid); len(got) != 0 {
		t.Errorf("parked after a start: %q", got)
	}
}

// TestDropParked: what is dropped is gone, after a start too.
func TestDropParked(t *testing.T) {
	bob, _, gid := heldLine(t)
	backup := bob.backUp()
	ok(t, bob.down())
	again, _ := restored(t, "again", backup)
	again.up()
	dropped, err := again.DropParked(within(t), gid)
	ok(t, err)
	if len(dropped) != 1 || *dropped[0].Text != "hello" {
		t.Errorf("dropped %+v", dropped)
	}
	ok(t, again.down())
	again.up()
	if got := again.parkedTexts(gid); len(got) != 0 {
		t.Errorf("parked: %q", got)
	}
}

// hears waits until p knows of a conversation that another began.
func (p *player) hears(gid string) {
	p.t.Helper()
	h, err := keys.ParseHash(gid)
	ok(p.t, err)
	await(p.t, "the conversation", func() bool { return p.Node.room(h) != nil })
}

func (p *player) parkedTexts(gid string) (out []string) {
	p.t.Helper()
	held, err := p.Parked(within(p.t), gid)
	ok(p.t, err)
	for _, l := range held {
		out = append(out, *l.Text)
	}
	return out
}

func (r *room) endLinesNow(t *testing.T) []LogLine {
	t.Helper()
	out, err := r.endLines(within(t))
	ok(t, err)
	return out
}

// TestBackupBesideTheOriginal: a backup is started while the original lives. The
// original is told at first contact, through a third; neither uses a number that
// the other used, and the group reads both.
func TestBackupBesideTheOriginal(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	bob.say(gid, "one")
	ann.reads(gid, "one")
	clone, _ := restored(t, "clone", bob.backUp())
	bob.say(gid, "two")
	ann.reads(gid, "one", "two")
	clone.up(ann)
	clone.reads(gid, "one", "two")
	clone.say(gid, "from the clone")
	await(t, "bob's alarm", func() bool { return strings.Contains(bob.log.String(), "runs elsewhere") })
	bob.say(gid, "from the original")
	await(t, "both at ann", func() bool {
		return containsAll(ann.texts(gid), []string{"one", "two", "from the clone", "from the original"})
	})
	quiet(t, gid, ann, bob, clone)
}

// TestAbuse_DT06_CopyBesideTheOriginal: a copied folder is no restore, and knows nothing of
// it. Once it meets somebody who knows more, it signs in a lane of its own.
func TestAbuse_DT06_CopyBesideTheOriginal(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	bob.say(gid, "one")
	ann.reads(gid, "one")
	ok(t, bob.down())
	clone := &player{t: t, name: "clone", cfg: Config{Home: filepath.Join(t.TempDir(), "clone"), Listen: bob.cfg.Listen}}
	ok(t, os.CopyFS(clone.cfg.Home, os.DirFS(bob.cfg.Home)))
	for _, path := range []string{clone.cfg.Home, filepath.Join(clone.cfg.Home, "db")} {
		ok(t, os.Chmod(path, 0o700))
	}
	bob.up(ann)
	bob.say(gid, "two")
	ann.reads(gid, "one", "two")
	clone.up(ann)
	clone.say(gid, "from the copy")
	ann.reads(gid, "one", "two", "from the copy")
	for _, p := range []*player{clone, bob} {
		await(t, "the alarm of "+p.name, func() bool { return strings.Contains(p.log.String(), "rolled back or copied") })
	}
	quiet(t, gid, ann, bob, clone)
}

// TestRestoreTellsWhatIsWrong: one line and a hint for everything.
func TestRestoreTellsWhatIsWrong(t *testing.T) {
	bob := newPlayer(t, "bob")
	b := bob.backUp()
	other, err := age.GenerateX25519Identity()
	ok(t, err)
	home := filepath.Join(t.TempDir(), "home")
	whole := b.file.Bytes()
	for name, try := range map[string]struct {
		file []byte
		key  age.Identity
		home string
	}{
		"cut":      {whole[:len(whole)-20], b.key, home},
		"empty":    {nil, b.key, home},
		"other":    {whole, other, home},
		"used":     {whole, b.key, bob.cfg.Home},
		"too long": {append(bytes.Clone(whole), 1), b.key, home},
	} {
		_, err := Restore(try.home, bytes.NewReader(try.file), try.key)
		e, is := err.(*Error)
		if !is || e.Kind != KindError || e.Hint == "" || strings.Contains(e.Message, "\n") {
			t.Errorf("%s: %#v", name, err)
		}
		if _, err := os.Stat(home); err == nil {
			t.Errorf("%s: there is a home", name)
		}
	}
	if _, err := bob.Backup([]string{"AGE-SECRET-KEY-1FOO"}); err == nil || strings.Contains(err.Error(), "FOO") {
		t.Errorf("a secret key for a recipient: %v", err)
	}
	if _, err := bob.Backup(nil); KindOf(err) != KindUsage {
		t.Errorf("no recipient: %v", err)
	}
}

// TestEveryRestoreHasItsOwnLane: a home that was restored, and then restored from
// its own backup, never signs in a lane that it knows.
func TestEveryRestoreHasItsOwnLane(t *testing.T) {
	ann := newPlayer(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	lanes := []uint64{0}
	p := ann
	for range 3 {
		b := p.backUp()
		ok(t, p.down())
		p, _ = restored(t, "ann", b)
		p.up()
		p.say(gid, "a line")
		ok(t, p.roomOf(gid).look(within(t), func(m *group.Machine) { lanes = append(lanes, m.Local().Lane) }))
	}
	if !slices.IsSorted(lanes) || len(slices.Compact(slices.Clone(lanes))) != 4 {
		t.Errorf("lanes %d", lanes)
	}
	if len(p.texts(gid)) != 3 {
		t.Errorf("reads %q", p.texts(gid))
	}
	quiet(t, gid, p)
}
