package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"conclave/node"
)

// seed returns a fresh seed, or that of CONCLAVE_SEED, and prints it.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("CONCLAVE_SEED"), 10, 64)
	if err != nil {
		n = rand.Uint64()
	}
	t.Logf("CONCLAVE_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 0))
}

// ledger is what three people said: the lines of each in the order in which
// they were given to `send -`, and which of them were answered.
type ledger struct {
	mu       sync.Mutex
	given    map[string][]string
	answered map[string]node.Sent // by text
	killed   int                  // lines given and not answered
}

func newLedger() *ledger {
	return &ledger{given: map[string][]string{}, answered: map[string]node.Sent{}}
}

// say gives count lines to `send -`, in bursts, and notes the answers. heard is
// called after each; where the node dies it returns early.
func (l *ledger) say(s *sailor, round, count int, burst func() int, heard func(n int)) {
	p := s.speak()
	defer func() {
		p.in.Close()
		for range p.answers { // until the command has ended
		}
	}()
	for n := 0; n < count; {
		var lines []string
		for range min(burst(), count-n) {
			lines = append(lines, fmt.Sprintf("%s, round %d, line %d", s.name, round, n))
			n++
		}
		l.mu.Lock()
		l.given[s.id] = append(l.given[s.id], lines...)
		l.killed += len(lines)
		l.mu.Unlock()
		if _, err := fmt.Fprintln(p.in, strings.Join(lines, "\n")); err != nil {
			return
		}
		for i, line := range lines {
			a, ok := <-p.answers
			if !ok {
				return
			}
			l.mu.Lock()
			l.answered[line] = a
			l.killed--
			l.mu.Unlock()
			heard(n - len(lines) + i + 1)
		}
	}
}

// sayOut says one line and waits until it has left, and with it what was held
// before.
func (l *ledger) sayOut(s *sailor, text string) {
	s.t.Helper()
	l.given[s.id] = append(l.given[s.id], text)
	l.answered[text] = decodeLines[node.Sent](s.t, s.must("send", "team", text, "--wait"))[0]
}

// check compares a log with what was said: every answered line once, under the
// ID that it was answered with; no line twice; each author's lines in order.
func (l *ledger) check(t *testing.T, s *sailor) {
	t.Helper()
	seen := map[string]int{}
	ids := map[string]bool{}
	byAuthor := map[string][]string{}
	for _, m := range s.messages() {
		seen[*m.Text]++
		if ids[*m.Sender+*m.MessageID] {
			t.Errorf("%s shows message %s twice", s.name, *m.MessageID)
		}
		ids[*m.Sender+*m.MessageID] = true
		byAuthor[*m.Sender] = append(byAuthor[*m.Sender], *m.Text)
		if a, ok := l.answered[*m.Text]; ok && a.MessageID != *m.MessageID {
			t.Errorf("%s shows %q as %s, answered as %s", s.name, *m.Text, *m.MessageID, a.MessageID)
		}
	}
	for text, n := range seen {
		if n != 1 {
			t.Errorf("%s shows %q %d times", s.name, text, n)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(l.answered)) {
		if seen[text] == 0 {
			t.Errorf("%s lost %q, which was answered as %s", s.name, text, l.answered[text].State)
		}
	}
	for author, texts := range byAuthor {
		given := slices.DeleteFunc(slices.Clone(l.given[author]), func(text string) bool { return seen[text] == 0 })
		if !slices.Equal(texts, given) {
			t.Errorf("%s shows the lines of %s in the order\n%q, given were\n%q", s.name, author, texts, given)
		}
	}
}

// settled waits until every node shows the same messages and none is held.
func (c *crew) settled(within time.Duration) {
	c.t.Helper()
	var texts [][]string
	same := func() bool {
		texts = nil
		for _, s := range c.all {
			var ts []string
			for _, m := range s.messages() {
				ts = append(ts, *m.Text)
			}
			texts = append(texts, ts)
		}
		for _, ts := range texts[1:] {
			if !slices.Equal(ts, texts[0]) {
				return false
			}
		}
		return true
	}
	end := time.Now().Add(within)
	for !same() {
		if time.Now().After(end) {
			for i, ts := range texts {
				c.t.Logf("%s shows %d lines\n%s", c.all[i].name, len(ts), c.all[i].state())
			}
			c.t.Fatalf("logs still differ after %s", within)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// unharmed fails where a node saw something that no crash may cause.
func (c *crew) unharmed() {
	c.t.Helper()
	for _, s := range c.all {
		for line := range strings.Lines(s.log.String()) {
			for _, bad := range []string{"signed two different records", "rolled back or copied", "damaged", "panic", "store failed"} {
				if strings.Contains(line, bad) {
					c.t.Errorf("%s: %s", s.name, line)
				}
			}
		}
	}
}

// TestAbuse_FA02_KilledWhileTalking: three nodes, lines given to `send -` at each,
// and again and again kill -9 for one of them at a moment that the seed chooses.
// No line that was answered is lost, none is shown twice, each author's lines
// stand in their order, at every member.
func TestAbuse_FA02_KilledWhileTalking(t *testing.T) {
	rounds := 4
	if thorough() {
		rounds = 50
	}
	rng := seed(t)
	c := newTeam(t, ordinary(t), "ann", "bob", "cem")
	c.all[0].must("group", "set", "team", "--max-messages", "60")
	l := newLedger()
	for round := range rounds {
		l.killOne(c, rng, round)
	}
	for _, s := range c.all {
		l.sayOut(s, "the end, says "+s.name)
	}
	c.settled(processBound)
	for _, s := range c.all {
		l.check(t, s)
	}
	c.unharmed()
	t.Logf("%d rounds, %d lines answered, %d not", rounds, len(l.answered), l.killed)
	if len(l.answered) < rounds*60 {
		t.Errorf("only %d lines answered, %d not", len(l.answered), l.killed)
	}
}

// killOne has everyone speak, and kills one node after some answer of its own,
// or in the middle of something after it.
func (l *ledger) killOne(c *crew, rng *rand.Rand, round int) {
	const lines = 40
	victim := c.all[rng.IntN(len(c.all))]
	after, pause := 1+rng.IntN(lines-10), time.Duration(rng.IntN(4000))*time.Microsecond
	var all sync.WaitGroup
	var once sync.Once
	for _, s := range c.all {
		mine := rand.New(rand.NewPCG(rng.Uint64(), 0))
		all.Go(func() {
			l.say(s, round, lines, func() int { return 1 + mine.IntN(6) }, func(n int) {
				if s == victim && n >= after {
					once.Do(func() { time.AfterFunc(pause, func() { s.cmd.Process.Kill() }) })
				}
			})
		})
	}
	if rng.IntN(3) == 0 {
		c.all[rng.IntN(len(c.all))].run("rotate", "team") // one of them may be dead by now
	}
	victim.awaitEnd()
	victim.up()
	all.Wait()
}
