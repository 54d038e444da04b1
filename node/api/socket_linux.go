package api

import (
	"errors"
	"syscall"
)

// privateFromBirth gives the socket its mode before it is bound: Linux creates
// the file with the mode of the descriptor, so no moment exists in which
// another user could connect, and the process's umask stays alone.
func privateFromBirth(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), 0o600) })
	return errors.Join(err, failed)
}

// recordedUID is the user that the kernel noted for the other end.
func recordedUID(fd int) (uint32, error) {
	cred, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
