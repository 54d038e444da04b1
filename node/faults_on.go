//go:build faults

package node

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// wallClock is the system's clock plus CONCLAVE_CLOCK_OFFSET, a duration.
func wallClock() time.Time {
	d, err := time.ParseDuration(os.Getenv("CONCLAVE_CLOCK_OFFSET"))
	if err != nil {
		d = 0
	}
	return time.Now().Add(d)
}

var kill struct {
	sync.Mutex
	seen int
}

// point ends the process with SIGKILL the n-th time that it comes by the place
// named in CONCLAVE_KILL_AT, "place:n".
func point(place string) {
	at, n, ok := strings.Cut(os.Getenv("CONCLAVE_KILL_AT"), ":")
	count, err := strconv.Atoi(n)
	if !ok || at != place || err != nil {
		return
	}
	kill.Lock()
	defer kill.Unlock()
	if kill.seen++; kill.seen == count {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
