//go:build !linux

package main

import "syscall"

// apart keeps a node out of reach of the terminal's Ctrl-C, which is for the
// demo: it stops the nodes itself.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
