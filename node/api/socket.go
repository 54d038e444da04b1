package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"conclave/node"
)

// longPath is the longest socket path, in bytes, that is used as it stands: the
// system refuses more than 107, and a longer one goes through its folder's
// descriptor.
const longPath = 100

// listen binds the socket of the home, whose lock the caller holds: that is
// what makes it safe to remove the socket that a killed node left behind. The
// listener hands out only connections of this process's own user.
func listen(home string) (net.Listener, error) {
	path := node.SocketPath(home)
	dir, err := openFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		dir.Close()
		return nil, err
	}
	config := net.ListenConfig{Control: privateFromBirth}
	l, err := config.Listen(context.Background(), "unix", address(dir, path))
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("open the node's socket: %w", err)
	}
	return &ownListener{Listener: l, dir: dir, uid: uint32(os.Geteuid())}, nil
}

// openFolder opens the folder of the socket and makes it 0700. A link, a
// folder of somebody else or one that others may write to is refused: whoever
// can rename in it can put a socket of their own in our place.
func openFolder(path string) (*os.File, error) {
	dir, err := os.OpenFile(path, syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, refused(path, "is not a folder that this user can open, or it is a link")
	}
	if err := secureFolder(dir); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

func secureFolder(dir *os.File) error {
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != uint32(os.Geteuid()) {
		return refused(dir.Name(), fmt.Sprintf("belongs to another user (uid %d)", owner))
	}
	if info.Mode().Perm()&0o022 != 0 {
		return refused(dir.Name(), "may be written to by other users")
	}
	return dir.Chmod(0o700)
}

func refused(path, why string) error {
	return &node.Error{
		Kind:    node.KindError,
		Message: fmt.Sprintf("the folder %s %s", path, why),
		Hint:    "use a folder that only you can enter: --home DIR, mode 0700",
	}
}

// removeStale removes the socket of a node that is gone. Anything else under
// that name was put there by somebody, and is left for a person to look at.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return &node.Error{
			Kind:    node.KindError,
			Message: path + " is not a socket",
			Hint:    "find out who made it, then move it away",
		}
	}
	return os.Remove(path)
}

// address returns the name under which the socket at path is bound or dialled.
// dir, its open folder, must stay open for as long as the name is used.
func address(dir *os.File, path string) string {
	if len(path) <= longPath {
		return path
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
}

// ownListener accepts connections of one user and closes all others unread.
type ownListener struct {
	net.Listener
	dir *os.File
	uid uint32
}

func (l *ownListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, err := peerUID(conn); err == nil && uid == l.uid {
			return conn, nil
		}
		conn.Close()
	}
}

// Close also unlinks the socket, which for a long path needs its open folder.
func (l *ownListener) Close() error {
	return errors.Join(l.Listener.Close(), l.dir.Close())
}

// peerUID returns the user at the other end of a Unix connection, as the
// system recorded it when the connection was made.
func peerUID(conn net.Conn) (uint32, error) {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var uid uint32
	var failed error
	err = raw.Control(func(fd uintptr) { uid, failed = recordedUID(int(fd)) })
	return uid, errors.Join(err, failed)
}

// dial connects to the socket of the home and refuses a server that runs as
// another user: it could be anybody's, and would be told what we write.
func dial(ctx context.Context, home string) (net.Conn, error) {
	path := node.SocketPath(home)
	name := path
	if len(path) > longPath {
		dir, err := os.OpenFile(filepath.Dir(path), syscall.O_DIRECTORY, 0)
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		name = address(dir, path)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", name)
	if err != nil {
		return nil, err
	}
	uid, err := peerUID(conn)
	if err == nil && uid != uint32(os.Geteuid()) {
		err = &node.Error{
			Kind:    node.NotAllowed,
			Message: fmt.Sprintf("the socket %s is served by another user (uid %d)", path, uid),
			Hint:    "nothing was sent; run the command as the user who ran `conclave up`",
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
