package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"conclave/keys"
	"conclave/node/store"
)

func newHome(t *testing.T) (*store.Home, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "some", "home")
	h, err := store.OpenHome(dir)
	ok(t, err)
	t.Cleanup(func() { h.Close() })
	return h, dir
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func TestHome(t *testing.T) {
	h, dir := newHome(t)
	id := h.Identity().PeerID()
	if h.Dir() != dir || h.Socket() != filepath.Join(dir, "api.sock") || h.Database() != filepath.Join(dir, "db") {
		t.Fatal(h.Dir(), h.Socket(), h.Database())
	}
	ok(t, h.Close())
	h, err := store.OpenHome(dir + "/")
	ok(t, err)
	defer h.Close()
	if h.Identity().PeerID() != id {
		t.Fatal("another identity")
	}
}

// TestSecondNode: one home, one node; who only asks for the identity needs no
// lock.
func TestSecondNode(t *testing.T) {
	h, dir := newHome(t)
	_, err := store.OpenHome(dir)
	wantErr(t, err, store.ErrLocked)
	if !strings.Contains(err.Error(), dir) {
		t.Fatalf("does not name the home: %v", err)
	}
	for _, get := range []func(string) (*keys.Identity, error){store.InitIdentity, store.ReadIdentity} {
		id, err := get(dir)
		ok(t, err)
		if id.PeerID() != h.Identity().PeerID() {
			t.Fatal("another identity")
		}
	}
	ok(t, h.Close())
	h2, err := store.OpenHome(dir)
	ok(t, err)
	ok(t, h2.Close())
}

func TestInitTogether(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	_, err := store.ReadIdentity(dir)
	wantErr(t, err, store.ErrNoHome)
	ids := make(chan keys.PeerID)
	for n := range 16 {
		go func() {
			id, err := store.InitIdentity(dir)
			if n%4 == 0 { // the node itself cleans up at the same time
				if h, lockErr := store.OpenHome(dir); lockErr == nil {
					id = h.Identity()
					h.Close()
				}
			}
			if err != nil {
				t.Error(err)
				ids <- keys.PeerID{}
				return
			}
			ids <- id.PeerID()
		}()
	}
	first := <-ids
	for range 15 {
		if id := <-ids; id != first {
			t.Errorf("%v and %v", first, id)
		}
	}
	h, err := store.OpenHome(dir)
	ok(t, err)
	defer h.Close()
	for _, e := range entries(t, dir) {
		if strings.Contains(e, ".tmp") {
			t.Errorf("left behind: %s", e)
		}
	}
}

func entries(t *testing.T, dir string) (names []string) {
	list, err := os.ReadDir(dir)
	ok(t, err)
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// TestUnsafe (LO-10): what others could have prepared, or could change, is
// refused, and so is what stands in the way of our own files.
func TestUnsafe(t *testing.T) {
	cases := map[string]func(t *testing.T, dir string){
		"symlink": func(t *testing.T, dir string) {
			ok(t, os.Rename(dir, dir+"2"))
			ok(t, os.Symlink(dir+"2", dir))
		},
		"symlink to nothing": func(t *testing.T, dir string) {
			ok(t, os.RemoveAll(dir))
			ok(t, os.Symlink(dir+"2", dir))
		},
		"world-writable": func(t *testing.T, dir string) { ok(t, os.Chmod(dir, 0o777)) },
		"group-writable": func(t *testing.T, dir string) { ok(t, os.Chmod(dir, 0o770)) },
		"a file": func(t *testing.T, dir string) {
			ok(t, os.RemoveAll(dir))
			ok(t, os.WriteFile(dir, nil, 0o600))
		},
		"file at the socket": func(t *testing.T, dir string) {
			ok(t, os.WriteFile(store.SocketPath(dir), nil, 0o600))
		},
		"symlink at the socket": func(t *testing.T, dir string) {
			ok(t, os.Symlink("/dev/null", store.SocketPath(dir)))
		},
		"symlinked identity": func(t *testing.T, dir string) { relink(t, dir, "identity") },
		"symlinked version":  func(t *testing.T, dir string) { relink(t, dir, "version") },
		"symlinked lock":     func(t *testing.T, dir string) { relink(t, dir, "lock") },
		"writable identity": func(t *testing.T, dir string) {
			ok(t, os.Chmod(filepath.Join(dir, "identity"), 0o666))
		},
		"pipe for a version": func(t *testing.T, dir string) {
			ok(t, os.Remove(filepath.Join(dir, "version")))
			ok(t, syscall.Mkfifo(filepath.Join(dir, "version"), 0o600))
		},
	}
	if os.Geteuid() == 0 {
		cases["another's"] = func(t *testing.T, dir string) { ok(t, os.Chown(dir, 1234, 1234)) }
		cases["another's identity"] = func(t *testing.T, dir string) {
			ok(t, os.Chown(filepath.Join(dir, "identity"), 1234, 1234))
		}
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			h, dir := newHome(t)
			ok(t, h.Close())
			spoil(t, dir)
			for _, path := range []string{dir, dir + "/"} {
				_, err := store.OpenHome(path)
				wantErr(t, err, store.ErrUnsafeHome)
				if !strings.Contains(err.Error(), dir) {
					t.Fatalf("does not name the place: %v", err)
				}
			}
		})
	}
}

// relink puts a symbolic link to the file in its place.
func relink(t *testing.T, dir, name string) {
	path := filepath.Join(dir, name)
	ok(t, os.Rename(path, path+"2"))
	ok(t, os.Symlink(path+"2", path))
}

func TestOwnFolder(t *testing.T) {
	dir := t.TempDir() // 0755, as a person's mkdir makes it
	ok(t, os.Chmod(dir, 0o755))
	ok(t, os.WriteFile(filepath.Join(dir, "node.log"), nil, 0o600))
	l, err := net.Listen("unix", store.SocketPath(dir)) // as a crash leaves it
	ok(t, err)
	defer l.Close()
	h, err := store.OpenHome(dir)
	ok(t, err)
	defer h.Close()
	fi, err := os.Stat(dir)
	ok(t, err)
	if fi.Mode().Perm() != 0o700 {
		t.Fatalf("mode %o", fi.Mode().Perm())
	}
}

// TestAbuse_FA12_NewerFormat: refused, and no file is made, changed or touched.
func TestAbuse_FA12_NewerFormat(t *testing.T) {
	h, dir := newHome(t)
	ok(t, h.Close())
	ok(t, os.WriteFile(filepath.Join(dir, "version"), []byte("2\n"), 0o600))
	ok(t, os.Remove(filepath.Join(dir, "lock")))
	ok(t, os.Chmod(dir, 0o755))
	before := snapshot(t, dir)
	_, err := store.OpenHome(dir)
	wantErr(t, err, store.ErrNewerFormat)
	for _, get := range []func(string) (*keys.Identity, error){store.InitIdentity, store.ReadIdentity} {
		_, err := get(dir)
		wantErr(t, err, store.ErrNewerFormat)
	}
	if after := snapshot(t, dir); after != before {
		t.Fatalf("before:\n%s\nafter:\n%s", before, after)
	}
}

func snapshot(t *testing.T, dir string) string {
	var b strings.Builder
	ok(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		ok(t, err)
		fi, err := e.Info()
		ok(t, err)
		fmt.Fprintln(&b, path, fi.Mode(), fi.ModTime().UnixNano(), fi.Size())
		if fi.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			ok(t, err)
			fmt.Fprintf(&b, "%x\n", data)
		}
		return nil
	}))
	return b.String()
}

// TestMissing: a home that has lost a file is not begun anew beside the rest.
func TestMissing(t *testing.T) {
	for _, name := range []string{"version", "identity", "master", "keybag"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "home")
			ok(t, workAll(dir))
			ok(t, os.Remove(filepath.Join(dir, name)))
			before := entries(t, dir)
			_, err := openPlace(dir)
			wantErr(t, err, store.ErrDamaged)
			if after := entries(t, dir); len(after) != len(before) {
				t.Fatalf("before %v, after %v", before, after)
			}
		})
	}
}

func TestLeftovers(t *testing.T) {
	h, dir := newHome(t)
	ok(t, h.Close())
	for _, name := range []string{"keybag.tmp", "identity.tmp-12", "settings.tmp", "mine.tmp", "keybag.tmpx", "keybag"} {
		ok(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	h, err := store.OpenHome(dir)
	ok(t, err)
	defer h.Close()
	want := "[identity keybag keybag.tmpx lock mine.tmp version]"
	if got := fmt.Sprint(entries(t, dir)); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
}

func TestSettings(t *testing.T) {
	h, dir := newHome(t)
	s, err := h.Settings()
	ok(t, err)
	if s != (store.Settings{}) {
		t.Fatal(s)
	}
	ok(t, h.SaveSettings(store.Settings{Port: 4711}))
	if s, err = h.Settings(); err != nil || s.Port != 4711 {
		t.Fatal(s, err)
	}
	ok(t, os.WriteFile(filepath.Join(dir, "settings"), []byte("{"), 0o600))
	_, err = h.Settings()
	wantErr(t, err, store.ErrDamaged)
}

// TestAbuse_FA08_FlippedHome: a home in which one byte changed is refused, or it is
// what it was.
func TestAbuse_FA08_FlippedHome(t *testing.T) {
	runs := 200
	if thorough() {
		runs = 1000
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 2))
	t.Logf("seed %d", seed)
	h, dir := newHome(t)
	bag := fillKeybag(t, h)
	id, refused := h.Identity().PeerID(), 0
	for range runs {
		copied := filepath.Join(t.TempDir(), "home")
		ok(t, os.CopyFS(copied, os.DirFS(dir)))
		ok(t, os.Chmod(copied, 0o700))
		f := flipByte(t, rng, copied)
		flipped, err := store.OpenHome(copied)
		if err != nil {
			refused++
			continue
		}
		if flipped.Identity().PeerID() != id {
			t.Fatalf("%+v: another identity", f)
		}
		if b, err := store.OpenKeybag(flipped); err != nil {
			refused++
		} else if !sameKeybag(bag, b) {
			t.Fatalf("%+v: another keybag", f)
		}
		ok(t, flipped.Close())
	}
	if refused < runs/2 {
		t.Fatalf("%d of %d refused", refused, runs)
	}
}

// TestPrintsNoSecret: what holds secrets prints none of them.
func TestPrintsNoSecret(t *testing.T) {
	p, err := openPlace(filepath.Join(t.TempDir(), "home"))
	ok(t, err)
	defer p.close(t)
	master, err := os.ReadFile(filepath.Join(p.home.Dir(), "master"))
	ok(t, err)
	data, err := p.bag.DataKey(crashGroup)
	ok(t, err)
	seed := p.home.Identity().Seed()
	for _, v := range []any{p.home, p.bag, p.db, p.s, *p.s} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
			text := fmt.Sprintf(verb, v)
			for _, secret := range [][]byte{master[8:40], data[:], seed[:]} {
				for _, form := range []string{string(secret), fmt.Sprintf("%x", secret), strings.Trim(fmt.Sprint(secret), "[]")} {
					if strings.Contains(text, form) {
						t.Errorf("%T under %s", v, verb)
					}
				}
			}
		}
	}
	if bytes.Equal(data[:], seed[:]) {
		t.Fatal("one secret for all")
	}
}
