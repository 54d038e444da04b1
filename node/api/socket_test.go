package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"conclave/node"
)

const nobody = 65534

func mustListen(t *testing.T, home string) net.Listener {
	t.Helper()
	l, err := listen(home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// privateHome returns a folder 0700, as node.Open leaves it.
func privateHome(t *testing.T) string {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	return home
}

// The socket is 0600 when it appears, and no change of its mode follows: it
// never had another one.
func TestAbuse_LO01_SocketIsPrivateFromItsFirstInstant(t *testing.T) {
	home := privateHome(t)
	if err := os.Chmod(home, 0o750); err != nil {
		t.Fatal(err)
	}
	watch, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(watch)
	if _, err := syscall.InotifyAddWatch(watch, home, syscall.IN_CREATE|syscall.IN_ATTRIB|syscall.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	umask := syscall.Umask(0)
	mustListen(t, home)
	syscall.Umask(umask)

	if got := eventsOf(t, watch, "api.sock"); len(got) != 1 || got[0] != syscall.IN_CREATE {
		t.Errorf("events of the socket: %x, want one IN_CREATE", got)
	}
	for path, want := range map[string]os.FileMode{home: 0o700, node.SocketPath(home): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

// eventsOf returns the masks of the waiting inotify events about one name.
func eventsOf(t *testing.T, watch int, name string) []uint32 {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := syscall.Read(watch, buf)
	if err != nil {
		t.Fatal(err)
	}
	var masks []uint32
	for off := 0; off < n; {
		e := (*syscall.InotifyEvent)(unsafe.Pointer(&buf[off]))
		off += syscall.SizeofInotifyEvent
		if string(bytes.TrimRight(buf[off:off+int(e.Len)], "\x00")) == name {
			masks = append(masks, e.Mask)
		}
		off += int(e.Len)
	}
	return masks
}

// asNobody runs f on a thread of its own that has another user's rights. The
// thread ends with f.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	done := make(chan syscall.Errno)
	go func() {
		runtime.LockOSThread()
		_, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody)
		if errno == 0 {
			f()
		}
		done <- errno
	}()
	if errno := <-done; errno != 0 {
		t.Fatal(errno)
	}
}

func TestAbuse_LO01_OtherUserIsRefusedByMode(t *testing.T) {
	home := privateHome(t)
	mustListen(t, home)
	var err error
	asNobody(t, func() { _, err = net.Dial("unix", node.SocketPath(home)) })
	if !errors.Is(err, os.ErrPermission) {
		t.Fatalf("another user's dial: %v, want permission denied", err)
	}
}

// With the folder and the socket opened to everyone the connection succeeds,
// and is closed before a byte of it is read.
func TestAbuse_LO01_OtherUserIsRefusedByCredentials(t *testing.T) {
	home := privateHome(t)
	l := mustListen(t, home)
	openToAll(t, home)
	accepted := make(chan net.Conn, 2)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	var got []byte
	var err error
	asNobody(t, func() {
		var c net.Conn
		if c, err = net.Dial("unix", node.SocketPath(home)); err == nil {
			got, err = io.ReadAll(c)
		}
	})
	if len(got) > 0 || (err != nil && !errors.Is(err, syscall.ECONNRESET)) {
		t.Fatalf("read %q, %v; want a closed connection", got, err)
	}
	own, err := net.Dial("unix", node.SocketPath(home))
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	(<-accepted).Close()
	if len(accepted) != 0 {
		t.Error("the other user's connection was accepted too")
	}
}

func openToAll(t *testing.T, home string) {
	t.Helper()
	for path := home; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(node.SocketPath(home), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestAbuse_LO10_PreparedPathsAreRefused(t *testing.T) {
	cases := map[string]func(t *testing.T, home string) string{
		"file in place of the socket": func(t *testing.T, home string) string {
			must(t, os.WriteFile(node.SocketPath(home), nil, 0o600))
			return home
		},
		"link in place of the socket": func(t *testing.T, home string) string {
			must(t, os.Symlink("/tmp/elsewhere.sock", node.SocketPath(home)))
			return home
		},
		"link in place of the folder": func(t *testing.T, home string) string {
			link := home + "-link"
			must(t, os.Symlink(home, link))
			return link
		},
		"folder that others may write to": func(t *testing.T, home string) string {
			must(t, os.Chmod(home, 0o777))
			return home
		},
		"folder of somebody else": func(t *testing.T, home string) string {
			if os.Geteuid() != 0 {
				t.Skip("needs root to give a folder away")
			}
			must(t, os.Chown(home, nobody, nobody))
			return home
		},
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			l, err := listen(prepare(t, privateHome(t)))
			if err == nil {
				l.Close()
			}
			var e *node.Error
			if !errors.As(err, &e) || e.Hint == "" {
				t.Fatalf("got %v, want a refusal with a hint", err)
			}
		})
	}
}

func TestAbuse_LO11_ServerOfAnotherUserIsToldNothing(t *testing.T) {
	home := privateHome(t)
	must(t, os.Chmod(home, 0o777))
	openParents(t, home)
	var l net.Listener
	var err error
	asNobody(t, func() { l, err = net.Listen("unix", node.SocketPath(home)) })
	must(t, err)
	defer l.Close()
	read := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		b, _ := io.ReadAll(c)
		read <- b
	}()
	_, err = Dial(context.Background(), home, 0)
	if node.KindOf(err) != node.NotAllowed {
		t.Fatalf("dial of a fake server: %v, want not allowed", err)
	}
	if b := <-read; len(b) > 0 {
		t.Errorf("the fake server was told %q", b)
	}
}

func openParents(t *testing.T, path string) {
	t.Helper()
	for path = filepath.Dir(path); path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		must(t, os.Chmod(path, 0o755))
	}
}

func TestSocketOfALongPath(t *testing.T) {
	home := filepath.Join(privateHome(t), strings.Repeat("long/", 30))
	must(t, os.MkdirAll(home, 0o700))
	l := mustListen(t, home)
	go acceptOne(l)
	c, err := dial(context.Background(), home)
	must(t, err)
	c.Close()
	must(t, l.Close())
	if _, err := os.Lstat(node.SocketPath(home)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func acceptOne(l net.Listener) {
	if c, err := l.Accept(); err == nil {
		c.Close()
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	home := privateHome(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: node.SocketPath(home)})
	must(t, err)
	dead.SetUnlinkOnClose(false)
	must(t, dead.Close())
	if _, err := Dial(context.Background(), home, 0); node.KindOf(err) != node.NoNode {
		t.Fatalf("dial of a stale socket: %v, want no node", err)
	}
	l := mustListen(t, home)
	go acceptOne(l)
	c, err := dial(context.Background(), home)
	must(t, err)
	c.Close()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
