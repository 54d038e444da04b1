package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(builder{m}, map[string]func(){"conclave": main})
}

// TestScript runs the scripts of testdata/script against the program itself.
// Beside testscript's own commands they have:
//
//	up NAME [FLAG...]          start a node on the home $WORK/NAME, loopback only, and
//	                           wait until it is ready; sets $NAME (its peer ID) and $NAME_addr
//	down NAME [INT|TERM|KILL]  end it: in order, within 5 s, with exit 0, unless killed
//	as NAME [N] ARG...         run a command on that home; it exits with N, or 0
//	get VAR FIELD [LINE]       set VAR to a field of the JSON on stdout
//	fields FIELD...            every line on stdout is a JSON object with these fields
//	until NAME PATTERN ARG...  repeat a command until its stdout matches
//	agekey NAME                make an age identity in NAME.key; sets $NAME, its recipient
//	sees NAME GROUP PATTERN    follow a log until a line matches, then interrupt it
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Values[nodesKey{}] = map[string]*exec.Cmd{}
			return os.Chmod(e.WorkDir, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"up": cmdUp, "down": cmdDown, "as": cmdAs, "get": cmdGet, "fields": cmdFields, "until": cmdUntil, "sees": cmdSees,
			"agekey": cmdAgeKey,
		},
	})
}

type nodesKey struct{}

func nodes(ts *testscript.TestScript) map[string]*exec.Cmd {
	return ts.Value(nodesKey{}).(map[string]*exec.Cmd)
}

// program is the tested program with its arguments, in the script's environment.
func program(ts *testscript.TestScript, args ...string) *exec.Cmd {
	path, err := exec.LookPath("conclave")
	ts.Check(err)
	cmd := child(path, args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "CONCLAVE_HOME=", "HOME=/no-home", "NO_COLOR=1", "TZ=UTC")
	return cmd
}

func onHome(ts *testscript.TestScript, name string, args ...string) []string {
	return append([]string{"--home", filepath.Join(ts.Getenv("WORK"), name)}, args...)
}

func cmdUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: up NAME [FLAG...]")
	}
	name := args[0]
	if before := nodes(ts)[name]; before != nil { // ended by `stop`
		ts.Check(before.Wait())
	}
	flags := append([]string{"--json", "up", "--listen", "/ip4/127.0.0.1/tcp/0"}, args[1:]...)
	cmd := program(ts, onHome(ts, name, flags...)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	nodes(ts)[name] = cmd
	ts.Defer(func() {
		if nodes(ts)[name] == cmd {
			cmd.Process.Kill()
			cmd.Wait()
		}
		ts.Logf("[node %s]\n%s", name, log.String())
	})
	first, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		ts.Fatalf("%s did not become ready: %v\n%s", name, err, log.String())
	}
	go io.Copy(io.Discard, stdout)
	var r ready
	ts.Check(json.Unmarshal(first, &r))
	if len(r.Addrs) == 0 {
		ts.Fatalf("%s has no address", name)
	}
	ts.Setenv(name, r.PeerID)
	ts.Setenv(name+"_addr", r.Addrs[0])
}

func cmdDown(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}
	sig := "TERM"
	if len(args) == 2 {
		sig = args[1]
	}
	cmd := nodes(ts)[args[0]]
	if neg || cmd == nil || signals[sig] == nil {
		ts.Fatalf("usage: down NAME [INT|TERM|KILL]")
	}
	delete(nodes(ts), args[0])
	start := time.Now()
	ts.Check(cmd.Process.Signal(signals[sig]))
	err := cmd.Wait()
	if sig == "KILL" {
		return
	}
	if took := time.Since(start); err != nil || took > 3*5*time.Second { // 5 s, on a busy machine
		ts.Fatalf("%s ended after %s with %v", args[0], took, err)
	}
}

// cmdAs also holds every answer to the contract: a failure has nothing on
// stdout and one error on stderr, in the form that was asked for; fields of JSON
// have their types.
func cmdAs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: as NAME [N] ARG...")
	}
	want, rest := 0, args[1:]
	if n, err := strconv.Atoi(rest[0]); err == nil {
		want, rest = n, rest[1:]
	}
	err := ts.Exec("conclave", onHome(ts, args[0], rest...)...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
	switch {
	case code != 0:
		ts.Check(checkFailure(ts.ReadFile("stderr"), code, wantsJSON(rest)))
		if out := ts.ReadFile("stdout"); out != "" {
			ts.Fatalf("a failure with results: %q", out)
		}
	case wantsJSON(rest):
		for _, o := range stdoutLines(ts) {
			ts.Check(checkTypes(o))
		}
	}
}

func checkFailure(stderr string, code int, asJSON bool) error {
	if !asJSON {
		if !strings.Contains(stderr, "conclave: ") {
			return fmt.Errorf("stderr does not say what failed: %q", stderr)
		}
		return nil
	}
	var e map[string]any
	if err := json.Unmarshal([]byte(stderr), &e); err != nil {
		return fmt.Errorf("stderr is not one JSON object: %q", stderr)
	}
	for _, x := range exits() {
		if x.code == code && e["error"] != string(x.kind) {
			return fmt.Errorf("exit code %d with error %q", code, e["error"])
		}
	}
	if _, ok := e["hint"]; !ok || e["message"] == "" {
		return fmt.Errorf("no message or hint: %q", stderr)
	}
	return nil
}

func stdoutLines(ts *testscript.TestScript) []map[string]any {
	var all []map[string]any
	for l := range strings.Lines(ts.ReadFile("stdout")) {
		var o map[string]any
		if err := json.Unmarshal([]byte(l), &o); err != nil {
			ts.Fatalf("not a JSON object: %q", l)
		}
		all = append(all, o)
	}
	return all
}

func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: get VAR FIELD [LINE]")
	}
	all := stdoutLines(ts)
	n := len(all) - 1
	if len(args) == 3 {
		n, _ = strconv.Atoi(args[2])
	}
	if n < 0 || n >= len(all) || all[n][args[1]] == nil {
		ts.Fatalf("stdout has no %s", args[1])
	}
	ts.Setenv(args[0], fmt.Sprint(all[n][args[1]]))
}

func cmdFields(ts *testscript.TestScript, neg bool, args []string) {
	all := stdoutLines(ts)
	if len(all) == 0 {
		ts.Fatalf("stdout is empty")
	}
	for _, o := range all {
		for _, f := range args {
			if _, ok := o[f]; ok == neg {
				ts.Fatalf("field %s: %v", f, o)
			}
		}
	}
}

func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: until NAME PATTERN ARG...")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		out, _ := program(ts, onHome(ts, args[0], args[2:]...)...).Output()
		if pattern.Match(out) {
			return
		}
	}
	ts.Fatalf("%s never answers %q", args[0], args[1])
}

// patience is how long a script waits for what has to come. It only matters
// where something is broken.
const patience = 2 * time.Minute

func cmdSees(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: sees NAME GROUP PATTERN")
	}
	pattern, err := regexp.Compile(args[2])
	ts.Check(err)
	cmd := program(ts, onHome(ts, args[0], "log", args[1], "--json", "--follow")...)
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	// The end of the test is no help where a line never comes: say which.
	limit := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer limit.Stop()
	found := false
	for lines := bufio.NewScanner(stdout); !found && lines.Scan(); {
		found = pattern.Match(lines.Bytes())
	}
	cmd.Process.Signal(os.Interrupt)
	go io.Copy(io.Discard, stdout)
	cmd.Wait()
	if !found {
		ts.Fatalf("%s never sees %q", args[0], args[2])
	}
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		ts.Fatalf("an interrupted log exits %d", code)
	}
}

func cmdAgeKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: agekey NAME")
	}
	id, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".key"), []byte("# "+args[0]+"\n"+id.String()+"\n"), 0o600))
	ts.Setenv(args[0], id.Recipient().String())
}
