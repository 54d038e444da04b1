// Package lantest is the acceptance of the program on a local network: several
// nodes, each the real binary as a process of its own in a network namespace of
// its own, on one bridge. The tests make the namespaces and remove them, so that
// nothing reaches the machine's own network. They drive the nodes by the command
// line alone; beside them run a recorder of every packet and people who do not
// keep to the rules, who are this test binary started again.
//
// The tests need root, iproute2, nftables and the go command, and run under
// CONCLAVE_TEST=all, where lacking one of these is a failure.
package lantest

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	if part := os.Getenv(partEnv); part != "" {
		play(part, os.Args[1:])
		return
	}
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// partEnv tells this binary, started again, which part to play.
const partEnv = "CONCLAVE_LAN_PART"

// play plays a part until standard input ends.
func play(part string, args []string) {
	switch part {
	case "record":
		record(args[0])
	case "stranger":
		beStranger(args)
	case "foul":
		playFoul(args)
	case "proxy":
		beProxy(args[0], args[1], args[2])
	}
}

// need skips the test, or fails it where everything is to run.
func need(t *testing.T) {
	t.Helper()
	if os.Getenv("CONCLAVE_TEST") != "all" {
		t.Skip("needs root, iproute2, nftables and CONCLAVE_TEST=all: nodes in network namespaces")
	}
	if os.Getuid() != 0 {
		t.Fatal("network namespaces need root")
	}
	for _, name := range []string{"ip", "nft", "go"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatal(err)
		}
	}
}

// built holds the binaries of this run by their build tags.
var built struct {
	sync.Mutex
	dir   string
	paths map[string]string
}

// program builds the program, with build tags where a test asks for them.
func program(t *testing.T, tags string) string {
	t.Helper()
	need(t)
	built.Lock()
	defer built.Unlock()
	if path, ok := built.paths[tags]; ok {
		return path
	}
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "conclave-lan-")
		if err != nil {
			t.Fatal(err)
		}
		built.dir, built.paths = dir, map[string]string{}
	}
	path := filepath.Join(built.dir, "conclave"+tags)
	cmd := exec.Command("go", "build", "-tags", tags, "-o", path, "conclave/cmd/conclave")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	built.paths[tags] = path
	return path
}
