package node

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"conclave/keys"
)

// partEnv tells this binary, started again by a test, which part to play.
const partEnv = "CONCLAVE_NODE_PART"

func TestMain(m *testing.M) {
	if os.Getenv(partEnv) == "flood" {
		flood(os.Args[1:])
		return
	}
	flag.Set("test.parallel", "4") // those that run side by side mostly wait
	flag.Parse()
	os.Exit(m.Run())
}

// flood asks to join as many people as args say, eight at a time, each once,
// and prints who it was and how long the answer took.
func flood(args []string) {
	peer, addr := args[0], args[1]
	gid, err := keys.ParseHash(args[2])
	check(err)
	count, err := strconv.Atoi(args[3])
	check(err)
	to, err := keys.ParsePeerID(peer)
	check(err)
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for range count {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			id, took, err := oneRequest(to, addr, gid)
			mu.Lock()
			defer mu.Unlock()
			check(err)
			fmt.Println(id, took.Milliseconds())
		})
	}
	all.Wait()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
