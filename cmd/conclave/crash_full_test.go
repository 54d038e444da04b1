package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallVolume mounts a file system of 8 MB. It needs root.
func smallVolume(t *testing.T) string {
	t.Helper()
	if !thorough() {
		t.Skip("needs root and CONCLAVE_TEST=all: a node on a file system of 8 MB")
	}
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=8388608,mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestAbuse_FA03_FullDisk: a node on a small volume that fills up. `send` says
// `disk full` and exits 1, reading goes on, also without a single free byte, and
// when there is space again everything goes on by itself: lines are taken, what
// the others said meanwhile arrives, a rotation works.
func TestAbuse_FA03_FullDisk(t *testing.T) {
	volume := smallVolume(t)
	c := newTeam(t, ordinary(t), "ann", "bob")
	ann, bob := c.all[0], c.all[1]
	ann.down()
	moved := filepath.Join(volume, "ann")
	if err := os.CopyFS(moved, os.DirFS(ann.home)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(moved, 0o700); err != nil {
		t.Fatal(err)
	}
	ann.home = moved
	ann.up()

	l := newLedger()
	text := strings.Repeat("all the words that fit ", 1000)
	taken, full := 0, ""
	for full == "" && taken < 1000 {
		_, failed, code := ann.run("send", "team", text)
		switch {
		case code == 0:
			taken++
		case code == 1 && strings.Contains(failed, `"message":"disk full"`):
			full = failed
		default:
			t.Fatalf("on a disk that fills up: exit %d, %s", code, failed)
		}
	}
	if full == "" || taken < 20 {
		t.Fatalf("%d messages fitted into 8 MB", taken)
	}
	refused := func(args ...string) {
		t.Helper()
		if _, failed, code := ann.run(args...); code != 1 || !strings.Contains(failed, "disk full") {
			t.Errorf("%s on a full disk: exit %d, %s", args[0], code, failed)
		}
	}
	reads := func() {
		t.Helper()
		if got := len(ann.messages()); got != taken {
			t.Errorf("on a full disk ann reads %d messages of %d", got, taken)
		}
		for _, command := range []string{"status", "members team", "keys team", "group list"} {
			ann.must(strings.Fields(command)...)
		}
	}
	reads()
	l.sayOut(bob, "said while ann had no space")
	ballast := filepath.Join(volume, "ballast")
	fillUp(t, ballast)
	for _, args := range [][]string{{"send", "team", "x"}, {"rotate", "team"}, {"kick", "team", bob.id}, {"group", "create", "other"}} {
		refused(args...)
	}
	reads()

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", volume, "", syscall.MS_REMOUNT, "size=33554432"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	await(t, processBound, "what bob said", func() bool {
		for _, m := range ann.messages() {
			if *m.Text == "said while ann had no space" {
				return true
			}
		}
		return false
	})
	t.Logf("%d messages fitted; %s after there was space ann had what she missed", taken, time.Since(began).Round(time.Millisecond))
	ann.must("rotate", "team")
	l.sayOut(ann, "space again")
	c.agreed()
	c.settled(processBound)
	for _, m := range ann.messages() {
		if *m.Text == "x" {
			t.Error("a line that was refused is in the log")
		}
	}
	if got := strings.Count(ann.must("group", "list", "--all"), "\n"); got != 1 {
		t.Errorf("ann has %d groups: one that was refused is among them", got)
	}
	select {
	case <-ann.gone:
		t.Error("the node ended")
	default:
	}
	ann.down()
	ann.up()
	c.settled(processBound)
	c.unharmed()
}

// fillUp takes every byte that is left.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 16; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
}
