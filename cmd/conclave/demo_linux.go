package main

import "syscall"

// apart keeps a node out of reach of the terminal's Ctrl-C, which is for the
// demo: it stops the nodes itself. Should the demo be killed, the kernel stops
// them: it signals a child when the thread that started it is gone.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
