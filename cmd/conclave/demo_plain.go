package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"conclave/node/api/words"
)

const (
	narrowest = 80  // columns of a screen that shows one for each person
	widest    = 132 // beyond that, lines are hard to follow
	aBeat     = 1000 * time.Millisecond
)

// width is that of the screen which stdout is, where it is one that can move
// its cursor.
func (a *app) width() (int, bool) {
	f, ok := a.stdout.(*os.File)
	if !ok || !isTerminal(f) || os.Getenv("TERM") == "dumb" {
		return 0, false
	}
	w, _, err := term.GetSize(int(f.Fd()))
	return w, err == nil
}

// painter colours text, or leaves it alone.
type painter bool

const (
	bold    = "1"
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	onPlain = "30;43" // a plain line's own background
)

func (on painter) as(code, text string) string {
	if !on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// person gives each of the cast a colour of their own.
func (on painter) person(name, text string) string { return on.as(personColour(name), text) }

func personColour(name string) string {
	switch name {
	case "alice":
		return "36"
	case "bob":
		return "32"
	case "carol":
		return "35"
	}
	return bold
}

// plainStage shows one line for each event, for a pipe or a narrow screen.
type plainStage struct {
	w       io.Writer
	verbose bool
	paint   painter
}

func (s *plainStage) show(event any) error {
	switch e := event.(type) {
	case started:
		return s.node(e)
	case step:
		return printf(s.w, "\n%s\n", s.paint.as(bold, fmt.Sprintf("%d. %s", e.Step, e.Text)))
	case typed:
		return printf(s.w, "  %s %s\n", s.name(e.Name), s.paint.as(dim, "$ "+e.Command))
	case heard:
		return s.line(e)
	case refused:
		return printf(s.w, "  %s %s\n", s.name(e.Name), s.paint.as(yellow, "! refused: "+e.Message))
	case note:
		return printf(s.w, "  %s\n", e.Text)
	case check:
		return s.check(e)
	case tableRow:
		return s.row(e)
	case ended:
		return printf(s.w, "\n%s, in %.1f s; the nodes are stopped, their folders removed\n",
			s.paint.as(green, fmt.Sprintf("all %d checks hold", e.Checks)), e.Seconds)
	}
	return fmt.Errorf("no words for %T", event)
}

const nameWidth = 5

func (s *plainStage) name(name string) string {
	return s.paint.person(name, fmt.Sprintf("%-*s", nameWidth, name))
}

func (s *plainStage) node(e started) error {
	more := ""
	if s.verbose {
		more = fmt.Sprintf(", process %d, folder %s", e.PID, e.Home)
	}
	return printf(s.w, "  %s %s, fingerprint %s%s\n", s.name(e.Name), words.Fingerprint(e.PeerID), e.Fingerprint, more)
}

func (s *plainStage) line(e heard) error {
	text := words.Line(value(e.Line.Text))
	switch {
	case e.Line.Kind == "unreadable":
		return printf(s.w, "  %s %s\n", s.name(e.Name), s.paint.as(dim, "⋯ a line of "+e.sender+": "+e.reason))
	case e.Line.Kind != "message":
		return printf(s.w, "  %s %s\n", s.name(e.Name), s.paint.as(dim, "─ "+e.reason))
	case !e.Line.Encrypted:
		return printf(s.w, "  %s %s\n", s.name(e.Name), s.paint.as(onPlain, "> plain "+e.sender+": "+text))
	}
	return printf(s.w, "  %s > %s %s\n", s.name(e.Name), s.paint.person(e.sender, e.sender+":"), text)
}

func (s *plainStage) check(e check) error {
	if e.OK {
		return printf(s.w, "  %s %s\n", s.paint.as(green, "✓"), e.Text)
	}
	return printf(s.w, "  %s %s\n", s.paint.as(red, "✗ NOT TRUE:"), e.Text)
}

const cellWidth = 21 // of the longest, "cannot (joined later)"

// row writes a line of the table, and its head before the first.
func (s *plainStage) row(e tableRow) error {
	if e.Number == 1 {
		head := fmt.Sprintf("\n  %2s %-*s %-17s %-6s", "", nameWidth, "", "", "")
		for _, name := range e.names {
			head += "  " + s.paint.person(name, fmt.Sprintf("%-*s", cellWidth, name))
		}
		if err := printf(s.w, "%s\n", strings.TrimRight(head, " ")); err != nil {
			return err
		}
	}
	out := fmt.Sprintf("  %2d %s %-17s %-6s", e.Number, s.name(e.Sender), e.Text, key(e.Epoch))
	return printf(s.w, "%s%s\n", out, s.cells(e))
}

func (s *plainStage) cells(e tableRow) string {
	var out string
	for i, name := range e.names {
		text := e.Cells[name]
		if i < len(e.names)-1 {
			text = fmt.Sprintf("%-*s", cellWidth, text)
		}
		out += "  " + s.paint.as(cellColour(e.Cells[name]), text)
	}
	return out
}

func cellColour(text string) string {
	switch text {
	case canRead:
		return green
	case canPlain:
		return onPlain
	}
	return dim
}

func key(epoch *uint64) string {
	if epoch == nil {
		return "no key"
	}
	return fmt.Sprintf("key %d", *epoch)
}
