package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"conclave/node/store"
)

// smallVolume mounts a file system of so many bytes. It needs root.
func smallVolume(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size))
	if err != nil && !thorough() {
		t.Skipf("no small volume: %v", err)
	}
	ok(t, err)
	t.Cleanup(func() { ok(t, syscall.Unmount(dir, 0)) })
	return dir
}

// TestAbuse_FA03_FullVolume: on a volume that fills up, commits are refused and
// reading goes on; on one without a single free byte opening says "disk full";
// and when there is space again everything acknowledged is there.
func TestAbuse_FA03_FullVolume(t *testing.T) {
	vol := smallVolume(t, 8<<20)
	dir, ballast := filepath.Join(vol, "home"), filepath.Join(vol, "ballast")
	var acked int
	fmt.Sscan(runChild(t, "fill", dir), &acked)
	if acked < 100 {
		t.Fatalf("%d steps fitted", acked)
	}
	if out := runChild(t, "full", dir); out != "disk full" {
		t.Fatalf("on a full disk: %q", out)
	}
	ok(t, os.Remove(ballast))
	ok(t, syscall.Mount("none", vol, "", syscall.MS_REMOUNT, "size=16777216"))
	p, err := openPlace(dir)
	ok(t, err)
	defer p.close(t)
	whole(t, p.s, acked)
	commit(t, p.db, p.s, acked+1)
}

func runChild(t *testing.T, role, dir string) string {
	t.Helper()
	out, err := childCommand(role, dir).Output()
	ok(t, err)
	return strings.TrimSpace(string(out))
}

// childFill commits until it is refused, then lets somebody else take the rest
// of the volume, and prints how many steps were acknowledged.
func childFill(dir string) error {
	p, err := openPlace(dir)
	if err != nil {
		return err
	}
	acked := 0
	for ; err == nil; acked++ {
		err = p.db.Commit(stepBatch(p.s, acked))
	}
	acked--
	if err.Error() != "disk full" || errors.Is(err, store.ErrFailed) {
		return err
	}
	if err := fillVolume(filepath.Join(filepath.Dir(dir), "ballast")); err != nil {
		return err
	}
	if err := p.db.Commit(stepBatch(p.s, acked)); !errors.Is(err, store.ErrDiskFull) {
		return fmt.Errorf("on a full disk: %w", err)
	}
	for _, err := range p.s.Scan(store.Query{}) {
		if err != nil {
			return err
		}
	}
	fmt.Println(acked)
	return p.db.Close()
}

func fillVolume(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 16; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(bytes.Repeat([]byte("x"), size))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return nil
}

// childFull tries to open the home on a full disk.
func childFull(dir string) error {
	_, err := openPlace(dir)
	if errors.Is(err, store.ErrDiskFull) {
		fmt.Println(store.ErrDiskFull)
		return nil
	}
	return fmt.Errorf("opened on a full disk: %w", err)
}
