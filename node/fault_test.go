package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
	"conclave/node/store/storetest"
)

// stage is ann, whose disk does as it is told, bob, and a witness who is a
// member too and keeps every byte that ann lets out.
type stage struct {
	t        *testing.T
	disk     *storetest.Disk
	ann, bob *player
	witness  *puppet
	gid      string

	mu       sync.Mutex
	answered []string          // message IDs
	streamed map[string]string // message IDs that ann's followers were told, and the texts
	pulled   [][]byte          // records that the witness was given over streams
	numbers  map[string]string // of ann's records: what stands under each number
}

func newStage(t *testing.T, disk *storetest.Disk) *stage {
	s := &stage{t: t, disk: disk, streamed: map[string]string{}, numbers: map[string]string{}}
	s.bob, s.witness = newPlayer(t, "bob"), newPuppet(t)
	s.ann = &player{t: t, name: "ann", cfg: Config{Home: t.TempDir() + "/ann", Listen: []string{"/ip4/127.0.0.1/tcp/0"}}}
	s.onDisk(disk)
	s.standHome()
	return s
}

// standHome makes the folders above the home stand on the disk in memory, where
// a power cut would take them.
func (s *stage) standHome() {
	ok(s.t, s.disk.MkdirAll(s.ann.cfg.Home, 0o700))
	for dir := s.ann.cfg.Home; ; dir = filepath.Dir(dir) {
		f, err := s.disk.OpenDir(dir)
		ok(s.t, err)
		ok(s.t, errors.Join(f.Sync(), f.Close()))
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

// onDisk puts ann's home on a disk.
func (s *stage) onDisk(d *storetest.Disk) {
	s.disk = d
	s.ann.cfg.disk = testDisk{database: store.Options{FS: d}, home: d.Step}
}

// play goes through a life in which ann's node writes for every reason there
// is. It returns early where her node has ended, and says why.
func (s *stage) play() error {
	if err := s.ann.tryUp(); err != nil {
		return err
	}
	s.follow()
	ctx := within(s.t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := s.ann.ended
	go func() { // nobody has to wait for a node that is gone
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	for _, act := range s.acts(ctx) {
		err := act()
		switch {
		case s.gid == "": // the keybag takes no key for the group, which is no reason to end
			return err
		case err != nil && !diskFailed(err):
			if !s.ends() {
				s.t.Errorf("ann's node goes on, but: %v", err)
			}
		}
		select {
		case <-ended:
			return s.ann.err
		default:
		}
	}
	return nil
}

// diskFailed reports whether err says that the disk did as it was told.
func diskFailed(err error) bool {
	return KindOf(err) == KindError && (errors.Is(err, syscall.EIO) || errors.Is(err, store.ErrFailed))
}

// ends reports whether ann's node has ended or is about to: whoever asks it for
// something may learn of that a moment sooner.
func (s *stage) ends() bool {
	select {
	case <-s.ann.ended:
		return true
	case <-time.After(10 * time.Second):
		return false
	}
}

func (s *stage) acts(ctx context.Context) []func() error {
	ann, bob := s.ann, s.bob
	say := func(p *player, texts ...string) func() error {
		return func() error { return s.say(ctx, p, texts...) }
	}
	return []func() error{
		func() error {
			g, err := ann.CreateGroup(ctx, CreateGroup{Name: "team"})
			s.gid = g.GroupID
			return err
		},
		func() error { return s.letIn(ctx) },
		func() error {
			if err := s.witness.know(ann); err != nil {
				return err
			}
			return s.witness.tryJoin(ann, s.gid)
		},
		func() error { return s.listen(ctx) },
		say(ann, "one"), say(ann, "two", "three"), say(bob, "four"),
		func() error { _, err := ann.Rotate(ctx, s.gid); return err },
		say(ann, "five"),
		func() error { bob.Rotate(ctx, s.gid); return nil }, // he may not have come in
		say(bob, "six"), say(ann, "seven"),
		func() error {
			day := 24 * time.Hour
			_, err := ann.SetGroup(ctx, s.gid, SetGroup{MaxAge: &day})
			return err
		},
		func() error { _, err := ann.DM(ctx, bob.id(), "psst"); return err },
		s.look,
		func() error {
			stranger, err := keys.GenerateIdentity()
			ok(s.t, err)
			_, err = ann.Ban(ctx, s.gid, stranger.PeerID().String())
			return err
		},
		say(ann, "eight"),
		s.look,
	}
}

// listen has the witness take part in the topic, and waits until what ann
// publishes reaches it at once.
func (s *stage) listen(ctx context.Context) error {
	s.witness.enters(s.ann, s.bob)
	for !slices.Contains(s.ann.roomOf(s.gid).topic.Mesh(), s.witness.me()) {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *stage) letIn(ctx context.Context) error {
	ok(s.t, s.bob.net.Remember(s.ann.me, s.ann.net.Addrs()...))
	if _, err := s.bob.Join(ctx, s.ann.id(), s.gid, "", false); err != nil {
		return err
	}
	if _, err := s.ann.Approve(ctx, s.gid, s.bob.id()); err != nil {
		return err
	}
	_, err := s.bob.Join(ctx, s.ann.id(), s.gid, "", true)
	return err
}

func (s *stage) say(ctx context.Context, p *player, texts ...string) error {
	sent, err := p.Send(ctx, s.gid, texts, false, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range sent {
		if p == s.ann {
			s.answered = append(s.answered, a.MessageID)
		}
	}
	if p != s.ann {
		return nil
	}
	return err
}

// follow notes what ann's followers are told.
func (s *stage) follow() {
	events, err := s.ann.Events(s.t.Context(), 0)
	ok(s.t, err)
	go func() {
		for e := range events {
			if e.Line != nil && e.Line.Kind == "message" {
				s.mu.Lock()
				s.streamed[*e.Line.MessageID] = *e.Line.Text
				s.mu.Unlock()
			}
		}
	}()
}

// look has the witness ask ann for everything that she holds.
func (s *stage) look() error {
	if s.witness.m == nil {
		return nil
	}
	records, err := s.witness.pulls(within(s.t), s.ann, new(group.Heights))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pulled = append(s.pulled, records...)
	return err
}

// let is one record of ann's that came out of her node.
type let struct{ number, hash string }

// letOut lists ann's records that the witness was given, and the epochs for
// which it was given envelopes of hers.
func (s *stage) letOut() (out []let) {
	s.t.Helper()
	s.mu.Lock()
	all := slices.Concat(s.witness.listened(), s.pulled)
	s.mu.Unlock()
	for _, payload := range all {
		v, err := group.Decode(s.witness.gid, payload)
		if err != nil {
			v, err = group.DecodeOwn(s.witness.gid, payload) // within a range the last signature is enough
		}
		ok(s.t, err)
		if c := v.Chunk(); c != nil && c.Minter == s.ann.me {
			out = append(out, let{number: number("c", c.Lane, c.Seq)})
		} else if n := numberOf(v); n != "" && v.Author() == s.ann.me {
			out = append(out, let{n, v.Hash.String()})
		}
	}
	return out
}

func number(kind string, lane, seq uint64) string { return fmt.Sprint(kind, " ", lane, " ", seq) }

func numberOf(v group.Verified) string {
	switch {
	case v.Entry() != nil:
		return number("c", v.Entry().Lane, v.Entry().Seq)
	case v.Msg() != nil:
		return number("m", v.Msg().Lane, v.Msg().Seq)
	}
	return ""
}

// onlyDurable fails where ann let out something that is not on this disk.
func (s *stage) onlyDurable(out []let, d *storetest.Disk) {
	s.t.Helper()
	if len(out) == 0 {
		return
	}
	db, err := store.Open(s.ann.home.Database(), store.Options{FS: d})
	ok(s.t, err)
	defer db.Close()
	gid := s.witness.gid
	key, err := s.ann.bag.DataKey(gid)
	ok(s.t, err)
	space, err := db.Space("/g/"+gid.String(), key)
	ok(s.t, err)
	has := map[string]map[string]bool{}
	on := &disk{gid: gid, space: space}
	for prefix, head := range map[string]int{"/c": 8, "/m": 9} {
		ok(s.t, on.each(prefix, func(_ string, b []byte) error {
			v, err := on.decode(b, head)
			if err != nil || v.Author() != s.ann.me {
				return err
			}
			n := numberOf(v)
			if has[n] == nil {
				has[n] = map[string]bool{}
			}
			has[n][v.Hash.String()] = true
			return nil
		}))
	}
	for _, l := range out {
		if has[l.number] == nil || l.hash != "" && !has[l.number][l.hash] {
			s.t.Errorf("ann let out %s %.8s, which is not on her disk", l.number, l.hash)
		}
	}
}

// once fails where ann used a number for two records, in all her lives.
func (s *stage) once(out []let) {
	s.t.Helper()
	for _, l := range out {
		if l.hash == "" {
			continue
		}
		if old, ok := s.numbers[l.number]; ok && old != l.hash {
			s.t.Errorf("ann signed two records as %s", l.number)
		}
		s.numbers[l.number] = l.hash
	}
}

// back starts ann's node again on a good disk: it goes on, and everything that
// was answered or told to followers is there.
func (s *stage) back(d *storetest.Disk) {
	s.t.Helper()
	s.onDisk(d)
	s.ann.up()
	if s.gid == "" || s.ann.Node.room(s.witness.gid) == nil && s.witness.m == nil {
		g, err := s.ann.CreateGroup(within(s.t), CreateGroup{Name: "second"})
		ok(s.t, err)
		s.ann.say(g.GroupID, "back")
		return
	}
	s.ann.say(s.gid, "back")
	got := map[string]string{}
	for _, m := range s.ann.messages(s.gid) {
		if got[*m.MessageID] != "" {
			s.t.Errorf("%q is shown twice", *m.Text)
		}
		got[*m.MessageID] = *m.Text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.answered {
		if got[id] == "" {
			s.t.Errorf("message %s was answered and is lost", id)
		}
	}
	for id, text := range s.streamed {
		if got[id] == "" && text != "psst" {
			s.t.Errorf("%q was shown to followers and is lost", text)
		}
	}
}

// TestStoreFailsAtEveryWrite (S8, S9): the n-th write of ann's disk, and all
// after it, fail, for every n. What is not on disk then was let out to nobody:
// not published, not answered, not shown to followers. The node ends in order
// with an error that says so, and on a good disk it goes on and uses no number
// twice.
func TestStoreFailsAtEveryWrite(t *testing.T) {
	t.Parallel()
	everyWrite(t, func(t *testing.T, n int, rng *rand.Rand) bool {
		s := newStage(t, storetest.NewMemDisk())
		reached := s.disk.FailAt(n, syscall.EIO, anyWrite)
		err := s.play()
		failed := closed(reached)
		if failed {
			s.endsInOrder(err)
		} else {
			ok(t, err)
		}
		if s.ann.Node != nil {
			s.ann.down()
		}
		s.after(rng)
		return failed
	})
}

// livesAtOnce is how many lives run side by side: most of each is waiting.
const livesAtOnce = 8

// everyWrite has something happen at the n-th write of a life, for n from 1
// until a life has fewer writes. live says whether its life came that far. The
// ordinary run leaves out most.
func everyWrite(t *testing.T, live func(t *testing.T, n int, rng *rand.Rand) bool) {
	var mu sync.Mutex
	rng, next, end := seed(t), 1, 0
	base := rng.Uint64()
	take := func() (n int, goOn bool) {
		mu.Lock()
		defer mu.Unlock()
		n = next
		next += stride(rng)
		return n, end == 0
	}
	one := func(n int) {
		came := false
		passed := t.Run(fmt.Sprint(n), func(t *testing.T) {
			came = live(t, n, rand.New(rand.NewPCG(base, uint64(n))))
		})
		if !came || !passed { // nobody looks for the end of a life that breaks off
			mu.Lock()
			end = max(end, n)
			mu.Unlock()
		}
	}
	var lives sync.WaitGroup
	for range livesAtOnce {
		lives.Go(func() {
			for n, goOn := take(); goOn; n, goOn = take() {
				one(n)
			}
		})
	}
	lives.Wait()
	t.Logf("a whole life takes fewer than %d writes", end)
}

// stride is how far apart the writes are that a run looks at.
func stride(rng *rand.Rand) int {
	if thorough() {
		return 1
	}
	return 3 + rng.IntN(8)
}

// anyWrite matches whatever changes the database or the home.
func anyWrite(op errorfs.Op) bool {
	return storetest.AnyWrite(op) && op.Kind != errorfs.OpRemove
}

// endsInOrder waits for the end of ann's node after a failure and looks at what
// it says.
func (s *stage) endsInOrder(err error) {
	s.t.Helper()
	switch {
	case s.ann.Node == nil: // it never came up
	case s.gid == "" && diskFailed(err): // see play
	case !s.ends():
		s.t.Fatalf("ann's disk fails and her node goes on; %v", err)
	default:
		err = s.ann.err
	}
	var said *Error
	if !errors.As(err, &said) || !diskFailed(err) {
		s.t.Errorf("ann's node ended with %v", err)
	}
}

// after compares what came out with what a power cut would leave, and starts
// ann's node again on that.
func (s *stage) after(rng *rand.Rand) {
	s.t.Helper()
	out := s.letOut()
	s.once(out)
	s.onlyDurable(out, s.disk.PowerLoss(0, rng))
	s.back(s.disk.PowerLoss(rng.IntN(101), rng))
	s.look()
	s.once(s.letOut())
	if log := s.bob.log.String(); strings.Contains(log, "two different records") {
		s.t.Error(log)
	}
}

// TestStoreStallsAtEveryWrite (S9): the n-th write of ann's disk does not come
// back. While it waits nothing goes out that is not on disk; when it comes back
// everything goes on.
func TestStoreStallsAtEveryWrite(t *testing.T) {
	t.Parallel()
	everyWrite(t, func(t *testing.T, n int, rng *rand.Rand) bool {
		s := newStage(t, storetest.NewMemDisk())
		stalled, release := s.disk.StallAt(n, anyWrite)
		defer release()
		done := make(chan error, 1)
		go func() {
			err := errors.New("the life broke off")
			defer func() { done <- err }()
			err = s.play()
		}()
		select {
		case <-stalled:
			s.whileStalled(rng)
			release()
			ok(t, take(t, "the end of the life", done))
		case err := <-done:
			release() // the n-th write may be one of those at the end
			ok(t, err)
		}
		s.ann.down()
		s.after(rng)
		return closed(stalled)
	})
}

// whileStalled gives what should not come out time to come out, then compares.
func (s *stage) whileStalled(rng *rand.Rand) {
	s.t.Helper()
	time.Sleep(200 * time.Millisecond) // nothing tells of what does not happen
	out := s.letOut()
	s.onlyDurable(out, s.disk.PowerLoss(0, rng))
}
