package lantest

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var soakTime = flag.Duration("soak", 0, "how long the soak runs; 0: a minute with CONCLAVE_TEST=all")

const soakBeat = 10 * time.Second // between two rotations

// TestAbuse_FA11_Soak: six nodes talk while the key is replaced every ten
// seconds. What each holds of the machine does not grow with time: descriptors
// and goroutines stay as many as they were, and memory grows by no more than what
// was said. Half an hour is
// `CONCLAVE_TEST=all go test ./node/lantest -run Soak -soak=30m -timeout=1h`.
func TestAbuse_FA11_Soak(t *testing.T) {
	bin := program(t, "")
	f := newFaults(t, bin)
	length := *soakTime
	if length == 0 {
		length = time.Minute
	}
	usage := map[*person][]footprint{}
	for n, end := 1, time.Now().Add(length); time.Now().Before(end); n++ {
		began := time.Now()
		f.people[0].one("rotate", f.group)
		for _, p := range f.people {
			p.one("send", f.group, fmt.Sprintf("%s %d", p.name, n))
		}
		for _, p := range f.people {
			usage[p] = append(usage[p], p.footprint())
		}
		time.Sleep(max(0, soakBeat-time.Since(began)))
	}
	for _, p := range f.people {
		all := usage[p][len(usage[p])/6:] // without the start
		early, late := median(all[:len(all)/3+1]), median(all[len(all)*2/3:])
		t.Logf("%s: %d -> %d descriptors, %d -> %d goroutines, %d -> %d MiB", p.name,
			early.files, late.files, early.routines, late.routines, early.memory>>20, late.memory>>20)
		if late.files > early.files+8 || late.routines > early.routines+16 {
			t.Errorf("%s: descriptors or goroutines grow: %+v, then %+v", p.name, early, late)
		}
		if length >= 10*time.Minute && late.memory > early.memory+early.memory/5+(8<<20) {
			t.Errorf("%s: memory grows: %+v, then %+v", p.name, early, late)
		}
	}
	f.sameLog(f.group, f.people...)
}

// footprint is what a node holds of the machine.
type footprint struct{ files, routines, memory int } // memory in bytes, resident

func median(all []footprint) footprint {
	mid := func(of func(footprint) int) int {
		var xs []int
		for _, f := range all {
			xs = append(xs, of(f))
		}
		slices.Sort(xs)
		return xs[len(xs)/2]
	}
	return footprint{
		files:    mid(func(f footprint) int { return f.files }),
		routines: mid(func(f footprint) int { return f.routines }),
		memory:   mid(func(f footprint) int { return f.memory }),
	}
}

func (p *person) footprint() (f footprint) {
	p.t.Helper()
	proc := fmt.Sprintf("/proc/%d", p.node.Process.Pid)
	files, err := os.ReadDir(proc + "/fd")
	if err != nil {
		p.t.Fatal(err)
	}
	f.files = len(files)
	statm, err := os.ReadFile(proc + "/statm")
	if err != nil {
		p.t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		p.t.Fatal(err)
	}
	f.memory = pages * os.Getpagesize()
	f.routines = p.metric("go_goroutines")
	return f
}

// metric reads one number of the node's metrics.
func (p *person) metric(name string) int {
	p.t.Helper()
	c := http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(p.home, "api.sock"))
		},
	}}
	defer c.CloseIdleConnections()
	resp, err := c.Get("http://conclave/v1/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if value, ok := strings.CutPrefix(s.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return int(n)
		}
	}
	p.t.Fatalf("%s has no metric %s", p.name, name)
	return 0
}
