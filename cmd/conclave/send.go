package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

const (
	maxText  = 32 << 10  // bytes of one message
	maxBatch = 224 << 10 // bytes after which a batch takes no further line
)

type sendOptions struct {
	group string
	text  string // "-" for the lines of stdin
	plain bool
	wait  bool
	once  string // key of the text
}

func newSend(a *app) *cobra.Command {
	var o sendOptions
	cmd := command("send GROUP [--plain] [--wait] [--once KEY] TEXT | -", "Send a message, or each line of stdin as one", 2, 2,
		func(ctx context.Context, args []string) error {
			o.group, o.text = args[0], args[1]
			return runSend(ctx, a, o)
		})
	f := cmd.Flags()
	f.BoolVar(&o.plain, "plain", false, "without encryption: anyone relaying can read it")
	f.BoolVar(&o.wait, "wait", false, "wait until it is sent")
	f.StringVar(&o.once, "once", "", "a word of your own for this text: however often it is sent under it within a day, it leaves once")
	return cmd
}

func runSend(ctx context.Context, a *app, o sendOptions) error {
	if o.text == "-" {
		if o.once != "" {
			return usage("--once is for one text, not for -")
		}
		return a.withNode(ctx, func(ctx context.Context, c *api.Client) error { return a.sendLines(ctx, c, o) })
	}
	if err := checkText(o.text); err != nil {
		return err
	}
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		if err := a.warnUnread(ctx, c, o, new([]string)); err != nil {
			return err
		}
		return a.sendTexts(ctx, c, o, []string{o.text})
	})
}

// warnUnread tells the person who types, before a line is taken, which members
// will not be able to read it as long as they lack its key. It says nothing
// twice, and nothing in a pipe.
func (a *app) warnUnread(ctx context.Context, c *api.Client, o sendOptions, told *[]string) error {
	if a.json || o.plain || !isTerminal(a.stdin) {
		return nil
	}
	g, err := c.Group(ctx, o.group)
	if err != nil || slices.Equal(g.CannotRead, *told) {
		return err
	}
	*told = g.CannotRead
	if len(g.CannotRead) > 0 {
		fmt.Fprintf(a.stderr, "conclave: may not have the key yet, and cannot read this until then: %s\n", list(a.names(ctx, c, o.group, g.CannotRead)))
	}
	return nil
}

// names names members for a sentence, a few of them.
func (a *app) names(ctx context.Context, c *api.Client, group string, peers []string) (out []string) {
	const few = 5
	known := map[string]string{}
	for m, err := range c.Members(ctx, group) {
		if err != nil {
			break // their fingerprints will do
		}
		known[m.PeerID] = m.Name
	}
	for i, p := range peers {
		if i == few {
			return append(out, fmt.Sprintf("and %d more", len(peers)-few))
		}
		out = append(out, words.Who(known[p], p))
	}
	return out
}

// checkText refuses an argument that is too long to be a message.
func checkText(text string) error {
	if len(text) > maxText {
		return usage("the text is longer than 32 KiB")
	}
	return nil
}

// sendTexts sends texts in order and answers those that became durable, also
// where a later one failed.
func (a *app) sendTexts(ctx context.Context, c *api.Client, o sendOptions, texts []string) error {
	sent, failed := c.Send(ctx, api.Send{Group: o.group, Texts: texts, Plain: o.plain, Wait: o.wait, Key: o.once})
	for _, s := range sent {
		if err := emit(a, s, showSent); err != nil {
			return err
		}
	}
	a.sentHint(sent)
	return failed
}

func showSent(w io.Writer, s node.Sent) {
	row(w, words.Delivery(s.State, s.Epoch, s.Encrypted), s.MessageID)
}

// sentHint says once why something is held.
func (a *app) sentHint(sent []node.Sent) {
	for _, s := range sent {
		if s.Hint != "" {
			a.hint(s.Hint)
			return
		}
	}
}

// sendLines sends the lines of stdin; whatever is ready together leaves
// together. The group is looked up first, so that a wrong name fails before a
// person has typed anything.
func (a *app) sendLines(ctx context.Context, c *api.Client, o sendOptions) error {
	if _, err := c.Group(ctx, o.group); err != nil {
		return err
	}
	var told []string
	lines := make(chan line, api.MaxTexts)
	go readLines(ctx, a.stdin, lines)
	for {
		if err := a.warnUnread(ctx, c, o, &told); err != nil {
			return err
		}
		batch, last := nextBatch(ctx, lines)
		if len(batch) > 0 {
			if err := a.sendTexts(ctx, c, o, batch); err != nil {
				return err
			}
		}
		if errors.Is(last, io.EOF) {
			return nil
		}
		if last != nil {
			return last
		}
	}
}

// line is one message of stdin, or what ends the reading: io.EOF, or the fault
// of a line.
type line struct {
	text string
	err  error
}

// nextBatch waits for a line and takes those that are ready behind it. The
// error, beside what was read before it, ends the reading.
func nextBatch(ctx context.Context, lines <-chan line) (batch []string, last error) {
	size := 0
	var l line
	select {
	case l = <-lines:
	case <-ctx.Done():
		return nil, interrupted()
	}
	for {
		if l.err != nil {
			return batch, l.err
		}
		batch = append(batch, l.text)
		if size += len(l.text); len(batch) == api.MaxTexts || size >= maxBatch {
			return batch, nil
		}
		select {
		case l = <-lines:
		default:
			return batch, nil
		}
	}
}

// readLines hands out the lines of r that are not empty; the last thing it
// hands out carries an error. A read of stdin cannot be interrupted: the
// goroutine may outlive ctx until the next line, or the process.
func readLines(ctx context.Context, r io.Reader, out chan<- line) {
	in := bufio.NewReaderSize(r, maxText+len("\r\n"))
	for number := 1; ; number++ {
		l, err := readLine(in, number)
		if l != "" && !deliver(ctx, out, line{text: l}) {
			return
		}
		if err != nil {
			deliver(ctx, out, line{err: err})
			return
		}
	}
}

func deliver(ctx context.Context, out chan<- line, l line) bool {
	select {
	case out <- l:
		return true
	case <-ctx.Done():
		return false
	}
}

// readLine returns the next line without its end. The error may come beside a
// last line that has no LF.
func readLine(in *bufio.Reader, number int) (string, error) {
	b, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", usage("line %d is longer than 32 KiB", number)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case len(text) > maxText:
		return "", usage("line %d is longer than 32 KiB", number)
	case !utf8.ValidString(text):
		return "", usage("line %d is not UTF-8", number)
	}
	return text, err
}
