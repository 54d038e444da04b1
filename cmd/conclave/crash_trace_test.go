package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// needStrace skips the test, or fails it where everything is to run.
func needStrace(t *testing.T) {
	t.Helper()
	if !thorough() {
		t.Skip("needs strace and CONCLAVE_TEST=all: watches the system calls of a node")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal(err)
	}
}

// underTrace writes a program that is p under strace with these options.
func underTrace(t *testing.T, p string, options ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "traced")
	script := fmt.Sprintf("#!/bin/sh\nexec strace -D -f -q %s %s \"$@\"\n", strings.Join(options, " "), p)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAnswersAfterSync: over 1,000 lines, half given one by one and half in
// bursts, no answer leaves on the socket before what it is about was written to
// the journal and the journal was synced.
func TestAnswersAfterSync(t *testing.T) {
	needStrace(t)
	trace := filepath.Join(t.TempDir(), "trace")
	c := newCrew(t, ordinary(t), "ann")
	ann := c.all[0]
	ann.must("group", "create", "team")
	ann.down()
	ann.traced = underTrace(t, ordinary(t), "-yy", "-s", "32", "-o", trace,
		"-e", "trace=read,recvfrom,recvmsg,write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync,sync_file_range")
	ann.up()
	l := newLedger()
	l.say(ann, 0, 500, func() int { return 1 }, func(int) {})
	l.say(ann, 1, 500, func() int { return 50 }, func(int) {})
	ann.down()
	text := readTrace(t, trace)
	calls := parseTrace(text)
	answers, early := judgeTrace(calls)
	if len(l.answered) != 1000 || answers < 500 {
		t.Fatalf("%d lines answered, %d answers in the trace", len(l.answered), answers)
	}
	for _, e := range early {
		t.Errorf("answered before the sync: %s", e)
	}
	t.Logf("%d answers for 1,000 lines, each after the sync of its record", answers)

	// The judge itself: a trace without the syncs, and one with each sync after
	// the answer, must not pass.
	isSync := func(c sysCall) bool { return c.sync && c.journal }
	if n, early := judgeTrace(slices.DeleteFunc(slices.Clone(calls), isSync)); len(early) != n {
		t.Errorf("without syncs %d of %d answers are early", len(early), n)
	}
	late := slices.Clone(calls)
	for i := range late {
		if isSync(late[i]) {
			late[i].end = len(text)
		}
	}
	if n, early := judgeTrace(late); len(early) != n {
		t.Errorf("with syncs that end too late %d of %d answers are early", len(early), n)
	}
}

// readTrace returns a trace once its writer, which outlives the traced process
// by a moment, has come to the end: the first thread ends last.
func readTrace(t *testing.T, path string) (text string) {
	t.Helper()
	await(t, processBound, "the end of the trace", func() bool {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
		first, _, _ := strings.Cut(text, " ")
		return strings.HasSuffix(text, "+++\n") && strings.HasPrefix(lastLines(text, 1), first+" ")
	})
	return text
}

// sysCall is one system call of a trace, from the line that begins it to the
// line that ends it.
type sysCall struct {
	name, text string
	begin, end int
	journal    bool // of the database's journal
	door       bool // of a connection on the API's socket
	sync       bool
}

var (
	wholeCall   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	resumedCall = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
)

// parseTrace reads the output of strace -f -yy.
func parseTrace(text string) []sysCall {
	open := map[string]sysCall{} // by thread
	var out []sysCall
	n := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		n++
		if m := wholeCall.FindStringSubmatch(line); m != nil {
			c := sysCall{name: m[2], text: line, begin: n, end: n}
			if strings.HasSuffix(line, "<unfinished ...>") {
				open[m[1]] = c
				continue
			}
			out = append(out, c.classified())
		} else if m := resumedCall.FindStringSubmatch(line); m != nil {
			c, ok := open[m[1]]
			if ok {
				delete(open, m[1])
				c.text += m[3]
				c.end = n
				out = append(out, c.classified())
			}
		}
	}
	slices.SortFunc(out, func(a, b sysCall) int { return a.begin - b.begin })
	return out
}

var (
	journalFile = regexp.MustCompile(`^\d+ +\w+\(\d+</[^>]*/db/\d+\.log>`)
	doorSocket  = regexp.MustCompile(`^\d+ +\w+\(\d+<UNIX-STREAM:`)
	failedCall  = regexp.MustCompile(`= -1 `)
)

func (c sysCall) classified() sysCall {
	c.journal = journalFile.MatchString(c.text) && !failedCall.MatchString(c.text)
	c.door = doorSocket.MatchString(c.text)
	c.sync = c.name == "fsync" || c.name == "fdatasync"
	return c
}

// judgeTrace counts the answers to `send` and returns those before which the
// journal was not written and then synced since the request was read.
func judgeTrace(calls []sysCall) (answers int, early []string) {
	asked := -1 // line of the last request, -1: answered
	for _, c := range calls {
		switch {
		case c.door && c.name == "read" && strings.Contains(c.text, `OST /v1/send `): // the P may come by itself
			asked = c.end
		case c.door && c.name == "write" && strings.Contains(c.text, `"HTTP/1.1 200`) && asked >= 0:
			answers++
			if !syncedBetween(calls, asked, c.begin) {
				early = append(early, c.text)
			}
			asked = -1
		}
	}
	return answers, early
}

// syncedBetween reports whether the journal was written after line from, and
// every such write that ended before line to is covered by a sync that began
// after it and ended before line to.
func syncedBetween(calls []sysCall, from, to int) bool {
	written, synced := -1, -1
	for _, c := range calls {
		switch {
		case !c.journal || c.begin < from || c.begin > to:
		case c.sync && c.end < to:
			synced = max(synced, c.begin)
		case !c.sync:
			written = max(written, c.end)
		}
	}
	return written >= 0 && synced > written
}

// TestAbuse_FA04_FailingCalls: the n-th sync, or rename, of a node fails with EIO.
// The node says so and ends with exit 1; nobody was told anything that is not on
// disk; and on a disk that works it goes on.
func TestAbuse_FA04_FailingCalls(t *testing.T) {
	needStrace(t)
	for _, call := range []string{"fdatasync", "fsync", "rename"} {
		for _, n := range []int{1, 2, 3, 5, 8} {
			t.Run(fmt.Sprintf("%s-%d", call, n), func(t *testing.T) { failingCall(t, ordinary(t), call, n) })
		}
	}
}

func failingCall(t *testing.T, program, call string, n int) {
	c := newTeam(t, program, "ann", "bob")
	ann := c.all[0]
	ann.down()
	inject := fmt.Sprintf("inject=%s,%sat,%sat2:error=EIO:when=%d+", call, call, call, n)
	if call != "rename" {
		inject = fmt.Sprintf("inject=%s:error=EIO:when=%d+", call, n)
	}
	ann.traced = underTrace(t, program, "-o", "/dev/null", "-e", inject)
	l := newLedger()
	err := ann.start()
	ann.traced = ""
	if err == nil {
		for round := range 100 {
			l.say(ann, round, 2, func() int { return 1 }, func(int) {})
			ann.run("rotate", "team")
			select {
			case <-ann.gone:
			default:
				continue
			}
			break
		}
		select {
		case <-ann.gone:
		case <-time.After(10 * time.Second):
			t.Fatal("the node goes on though its disk fails")
		}
	}
	if code := ann.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("ended with %v, want exit 1\n%s", ann.cmd.ProcessState, lastLines(ann.log.String(), 5))
	}
	ann.up()
	l.sayOut(ann, "ann is back")
	c.settled(processBound)
	for _, s := range c.all {
		l.check(t, s)
		if strings.Contains(s.log.String(), "signed two different records") {
			t.Error(lastLines(s.log.String(), 5))
		}
	}
}
