package lantest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	faultTime  = time.Minute       // of faults while everyone talks
	judgeAfter = 120 * time.Second // within which all have to agree again
	lossShare  = 30                // percent of the packets that arrive at a node and are dropped
)

// TestAbuse_FA06_FA07_FA09_FiveNodes: five nodes talk while three packets in ten are
// lost on arrival at each, the network falls in two parts and heals, nodes are
// killed, put to sleep and given other addresses, and the owner removes a sixth
// from one side of a partition. Afterwards everyone reads every line that any
// `send` had answered, once, in one order, each author's in the order of their
// sending; and the removed one reads nothing that is said then. Nobody has come to
// distrust an honest peer.
//
// One run takes up to three and a half minutes. CONCLAVE_SEED repeats one; 20 are
// `CONCLAVE_TEST=all go test ./node/lantest -run FiveNodes -count=20 -timeout=2h`.
func TestAbuse_FA06_FA07_FA09_FiveNodes(t *testing.T) {
	bin := program(t, "")
	f := newFaults(t, bin)
	var talk sync.WaitGroup
	stop := make(chan struct{})
	for _, s := range f.speakers {
		talk.Go(func() { s.talk(stop) })
	}
	f.rage(faultTime)
	close(stop)
	talk.Wait()
	f.heal()
	f.judge()
}

// faults are five people who talk, and one who is removed, on a network that
// does not work well.
type faults struct {
	three
	rng      *rand.Rand
	group    string
	people   []*person // five, and the one to be removed
	speakers []*speaker
	counts   map[string]int // of faults, by kind
}

func newFaults(t *testing.T, bin string) *faults {
	t.Helper()
	f := &faults{three: three{t: t, lan: newLAN(t), began: time.Now()}, rng: seeded(t), counts: map[string]int{}}
	for _, name := range []string{"ann", "bob", "cem", "dee", "eva", "fay"} {
		p := f.lan.person(name, bin)
		p.up()
		f.people = append(f.people, p)
	}
	for _, p := range f.people {
		p.where("five peers", []string{"status"}, func(o object) bool { return o.number("peers") == 5 })
	}
	f.group = f.people[0].one("group", "create", "team").text("group_id")
	for _, p := range f.people[1:] {
		f.letIn(f.people[0], p, f.group)
	}
	f.settle(f.group, f.people...)
	for _, p := range f.people[:5] {
		f.speakers = append(f.speakers, &speaker{person: p, group: f.group})
	}
	f.done("all six are in")
	return f
}

func seeded(t *testing.T) *rand.Rand {
	n, err := strconv.ParseUint(os.Getenv("CONCLAVE_SEED"), 10, 64)
	if err != nil {
		n = rand.Uint64()
	}
	t.Logf("CONCLAVE_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 0))
}

// rage lets things go wrong for a while.
func (f *faults) rage(d time.Duration) {
	f.t.Helper()
	for _, p := range f.people {
		p.firewall()
	}
	kinds := []struct {
		name string
		act  func()
	}{
		{"kill -9", f.killOne}, {"partition", f.partition}, {"sleep", f.sleepOne}, {"new address", f.moveOne},
	}
	removed := false
	for i, end := 0, time.Now().Add(d); time.Now().Before(end) || i < len(kinds); i++ {
		k := kinds[f.rng.IntN(len(kinds))]
		if i < len(kinds) {
			k = kinds[i] // each at least once
		}
		f.counts[k.name]++
		k.act()
		if k.name == "partition" {
			removed = true
		}
	}
	if !removed {
		f.t.Error("nobody was removed")
	}
	f.done(fmt.Sprint("faults are over: ", f.counts))
}

func (f *faults) one() *person { return f.people[f.rng.IntN(5)] }

func (f *faults) moment(least, most time.Duration) {
	time.Sleep(least + time.Duration(f.rng.Int64N(int64(most-least))))
}

func (f *faults) killOne() {
	p := f.one()
	p.kill()
	f.moment(0, 3*time.Second)
	p.up()
	f.moment(0, 2*time.Second)
}

// partition cuts the network in two for some seconds. The first one has the
// owner remove fay meanwhile.
func (f *faults) partition() {
	all := slices.Clone(f.people)
	f.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	here, there := all[:3], all[3:]
	cut(here, there)
	cut(there, here)
	f.moment(time.Second, 3*time.Second)
	if f.counts["partition"] == 1 {
		f.people[0].one("kick", f.group, f.people[5].id)
	}
	f.moment(3*time.Second, 8*time.Second)
	for _, p := range f.people {
		p.nft("flush set inet faults away")
	}
	f.moment(0, 2*time.Second)
}

// sleepOne is a lid that is closed and opened.
func (f *faults) sleepOne() {
	p := f.one()
	p.node.Process.Signal(syscall.SIGSTOP)
	f.moment(2*time.Second, 6*time.Second)
	p.node.Process.Signal(syscall.SIGCONT)
}

func (f *faults) moveOne() {
	p := f.one()
	f.lan.hosts++
	next := fmt.Sprintf("10.77.0.%d", f.lan.hosts)
	f.lan.ip("-n", p.ns, "addr", "del", p.addr+"/24", "dev", "eth0")
	f.moment(0, time.Second)
	f.lan.ip("-n", p.ns, "addr", "add", next+"/24", "dev", "eth0")
	p.addr = next
	f.moment(0, 3*time.Second)
}

// firewall has a share of what arrives dropped, and everything from whoever is
// away. IPv6 is dropped altogether: partitions are lists of IPv4 addresses.
func (p *person) firewall() {
	p.t.Helper()
	p.nft(fmt.Sprintf(`table inet faults {
	set away { type ipv4_addr; }
	chain in {
		type filter hook input priority 0
		iif "lo" accept
		meta nfproto ipv6 drop
		ip saddr @away drop
		numgen random mod 100 < %d drop
	}
}`, lossShare))
}

func cut(here, there []*person) {
	for _, p := range here {
		for _, q := range there {
			p.nft("add element inet faults away { " + q.addr + " }")
		}
	}
}

func (p *person) nft(rules string) {
	p.t.Helper()
	cmd := inside(p.ns, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("nft: %v: %s", err, out)
	}
}

func (f *faults) heal() {
	for _, p := range f.people {
		p.nft("delete table inet faults")
	}
	f.began = time.Now()
}

// judge holds everyone to what was promised.
func (f *faults) judge() {
	t := f.t
	t.Helper()
	last := map[*speaker]string{}
	for _, s := range f.speakers {
		last[s] = "the faults are over, says " + s.name
		s.answered = append(s.answered, last[s])
		s.one("send", f.group, last[s])
	}
	total, held := 0, 0
	for _, s := range f.speakers {
		total += len(s.answered)
		held += int(s.held.Load())
	}
	var logs [][]object
	agreed := func() bool {
		logs = nil
		for _, p := range f.people[:5] {
			logs = append(logs, p.messages(f.group))
		}
		return !slices.ContainsFunc(logs, func(l []object) bool { return !complete(l, f.speakers) || !slices.Equal(places(l), places(logs[0])) })
	}
	defer func() {
		for i, l := range logs {
			if t.Failed() {
				t.Logf("%s reads %d lines, without %s; doctor: %v", f.people[i].name, len(l), absent(l, f.speakers), f.people[i].all("doctor"))
			}
		}
	}()
	took := await(t, "log that is complete and the same at all five", judgeAfter, agreed)
	t.Logf("%d answered lines (%d of them held at first), complete and in one order at all five %v after the faults", total, held, took.Round(100*time.Millisecond))
	for i, l := range logs {
		checkOrder(t, f.people[i], l, f.speakers)
	}
	for _, p := range f.people[:5] {
		if log := p.log.String(); strings.Contains(log, "two different records") || strings.Contains(log, "panic") {
			t.Errorf("%s: %s", p.name, log)
		}
	}
	for _, m := range f.people[5].messages(f.group) {
		for _, s := range f.speakers {
			if m.text("text") == last[s] {
				t.Errorf("fay was removed and reads what %s said after it", s.name)
			}
		}
	}
}

func places(log []object) (out []string) {
	for _, m := range log {
		out = append(out, m.text("sender")+m.text("message_id"))
	}
	return out
}

func absent(log []object, speakers []*speaker) (out []string) {
	there := map[string]bool{}
	for _, m := range log {
		there[m.text("text")] = m.text("state") != "held"
	}
	for _, s := range speakers {
		for _, text := range s.answered {
			if !there[text] {
				out = append(out, text)
			}
		}
	}
	return out
}

func complete(log []object, speakers []*speaker) bool { return len(absent(log, speakers)) == 0 }

// checkOrder fails where a line is shown twice, or an author's lines not in the
// order of their sending.
func checkOrder(t *testing.T, p *person, log []object, speakers []*speaker) {
	t.Helper()
	seen := map[string]bool{}
	at := map[string]int{}
	for _, m := range log {
		text := m.text("text")
		if seen[text] {
			t.Errorf("%s reads %q twice", p.name, text)
		}
		seen[text] = true
		name, n, _ := strings.Cut(text, " ")
		number, err := strconv.Atoi(n)
		if err != nil {
			continue // the last line
		}
		if number <= at[name] {
			t.Errorf("%s reads line %d of %s after line %d", p.name, number, name, at[name])
		}
		at[name] = number
	}
}

// speaker says one line after the other, each once, and remembers which were
// answered.
type speaker struct {
	*person
	group    string
	answered []string
	held     atomic.Int64
}

// talk speaks until it is told to stop. A node that is down, or asleep, answers
// nothing; such a line was not promised to anybody.
func (s *speaker) talk(stop chan struct{}) {
	for i := 1; ; i++ {
		select {
		case <-stop:
			return
		case <-time.After(200 * time.Millisecond):
		}
		text := fmt.Sprintf("%s %d", s.name, i)
		cmd := exec.Command("ip", "netns", "exec", s.ns, s.bin, "--home", s.home, "--json", "send", s.group, text, "--timeout", "5s")
		out, err := cmd.Output()
		if err != nil {
			continue
		}
		var o object
		if json.Unmarshal(bytes.TrimSpace(out), &o) == nil && o.text("message_id") != "" {
			s.answered = append(s.answered, text)
			if o.text("state") == "held" {
				s.held.Add(1)
			}
		}
	}
}
