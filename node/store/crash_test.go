package store_test

import (
	"bufio"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"conclave/keys"
	"conclave/node/store"
)

// child is what this binary does for a test in a process of its own.
func child(role string) int {
	run := map[string]func(dir string) error{
		"crash": childCrash, "umask": childUmask, "fill": childFill, "full": childFull,
		"leak": childLeak,
	}[role]
	if err := run(os.Getenv("CONCLAVE_STORE_DIR")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func childCommand(role, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CONCLAVE_STORE_CHILD="+role, "CONCLAVE_STORE_DIR="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// place is a home with all that is in it.
type place struct {
	home *store.Home
	bag  *store.Keybag
	db   *store.DB
	s    *store.Space
}

func openPlace(dir string) (p place, err error) {
	if p.home, err = store.OpenHome(dir); err != nil {
		return p, err
	}
	if p.bag, err = store.OpenKeybag(p.home); err != nil {
		return p, err
	}
	key, err := p.bag.DataKey(crashGroup)
	if err != nil {
		return p, err
	}
	if p.db, err = store.Open(p.home.Database(), store.Options{}); err != nil {
		return p, err
	}
	p.s, err = p.db.Space("/g/01", key)
	return p, err
}

func (p place) close(t *testing.T) {
	t.Helper()
	ok(t, p.db.Close())
	ok(t, p.home.Close())
}

var crashGroup = keys.Sum([]byte("group"))

// epochOf is the epoch whose key step n puts, before its batch.
func epochOf(n int) keys.Hash { return keys.Sum(fmt.Appendf(nil, "epoch %d", n)) }

const keyEvery = 8

// childCrash commits one step after the other and prints each that is
// acknowledged, until it is killed.
func childCrash(dir string) error {
	p, err := openPlace(dir)
	if err != nil {
		return err
	}
	for n := childSteps(p.s); ; n++ {
		if n%keyEvery == 0 {
			err := p.bag.Update(func(tx *store.Tx) error {
				return tx.PutRoomKey(crashGroup, epochOf(n), keys.Secret(epochOf(n)))
			})
			if err != nil {
				return err
			}
		}
		if err := p.db.Commit(stepBatch(p.s, n)); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func childSteps(s *store.Space) int {
	last := -1
	for rec, err := range s.Scan(store.Query{Prefix: "/m", Reverse: true, Limit: 1, KeysOnly: true}) {
		if err == nil {
			fmt.Sscanf(strings.Split(rec.Key, "/")[2], "%x", &last)
		}
	}
	return last + 1
}

// TestKilled (kill -9, again and again, on one home): no acknowledged batch and
// no acknowledged key is lost, and no batch is there in part.
func TestKilled(t *testing.T) {
	rounds := 20
	if thorough() {
		rounds = 200
	}
	dir := filepath.Join(t.TempDir(), "home")
	acked := 0
	for range rounds {
		acked = max(acked, killOnce(t, dir, 1+rand.IntN(150)))
		checkKilled(t, dir, acked)
	}
	t.Logf("%d steps acknowledged", acked)
}

// killOnce kills a child after so many acknowledgements and returns how many
// steps were acknowledged in all.
func killOnce(t *testing.T, dir string, after int) (acked int) {
	cmd := childCommand("crash", dir)
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ { // to the end: what it said counts
		fmt.Sscan(lines.Text(), &acked)
		acked++
		if n == after {
			ok(t, cmd.Process.Kill())
		}
	}
	cmd.Wait()
	if cmd.ProcessState.Exited() {
		t.Fatalf("child ended by itself: %v", cmd.ProcessState)
	}
	return acked
}

func checkKilled(t *testing.T, dir string, acked int) {
	p, err := openPlace(dir)
	ok(t, err)
	defer p.close(t)
	whole(t, p.s, acked)
	for n := 0; n < acked; n += keyEvery {
		if k, held := p.bag.RoomKey(crashGroup, epochOf(n)); !held || k != keys.Secret(epochOf(n)) {
			t.Fatalf("key of step %d of %d is lost", n, acked)
		}
	}
}

// TestModes: folders are 0700 and files 0600 whenever one looks, also with a
// umask that forbids nothing or everything.
func TestModes(t *testing.T) {
	for _, umask := range []string{"0", "0777"} {
		dir := filepath.Join(t.TempDir(), "home")
		cmd := childCommand("umask", dir)
		cmd.Env = append(cmd.Env, "CONCLAVE_STORE_UMASK="+umask)
		ok(t, cmd.Run())
		n := 0
		ok(t, walkModes(dir, true, func(string) { n++ }))
		if n < 10 {
			t.Fatalf("only %d files", n)
		}
	}
}

// childUmask works in a home while a second goroutine looks at the modes.
func childUmask(dir string) error {
	var umask int
	fmt.Sscanf(os.Getenv("CONCLAVE_STORE_UMASK"), "%o", &umask)
	syscall.Umask(umask)
	done := make(chan struct{})
	var wg sync.WaitGroup
	var seen error
	wg.Go(func() {
		for seen == nil {
			seen = walkModes(dir, false, func(string) {})
			select {
			case <-done:
				return
			default:
			}
		}
	})
	err := workAll(dir)
	close(done)
	wg.Wait()
	if err != nil {
		return err
	}
	return seen
}

// workAll makes every kind of file that there is.
func workAll(dir string) error {
	for range 3 {
		p, err := openPlace(dir)
		if err != nil {
			return err
		}
		if err := p.home.SaveSettings(store.Settings{Port: 4001}); err != nil {
			return err
		}
		for n := range 60 {
			if err := p.db.Commit(stepBatch(p.s, n)); err != nil {
				return err
			}
		}
		if err := p.db.Close(); err != nil {
			return err
		}
		if err := p.home.Close(); err != nil {
			return err
		}
	}
	return nil
}

// walkModes returns an error if anything in dir is more open than it should be,
// or, with exact, other than it should be.
func walkModes(dir string, exact bool, visit func(path string)) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // it went in between
		}
		fi, err := e.Info()
		if err != nil {
			return nil
		}
		want := fs.FileMode(0o600)
		if fi.IsDir() {
			want = 0o700
		}
		if got := fi.Mode().Perm(); got&^want != 0 || exact && got != want {
			return fmt.Errorf("%s has mode %o", path, got)
		}
		visit(path)
		return nil
	})
}
