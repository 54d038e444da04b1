package api

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// privateFromBirth does nothing: macOS takes no mode for a socket before it is
// bound. The folder, which only this user can enter, keeps the others out.
func privateFromBirth(_, _ string, _ syscall.RawConn) error { return nil }

// recordedUID is the user that the kernel noted for the other end.
func recordedUID(fd int) (uint32, error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
