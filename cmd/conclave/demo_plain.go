package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
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
	if !on || code == "" || text == "" {
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
	width   int // of the screen, 0 for a pipe: nothing is wrapped or shortened
	verbose bool
	paint   painter
	table   bool // the last line was one of the table
}

// fit breaks a text into lines that begin at the given indent.
func (s *plainStage) fit(indent int, code, text string) string {
	if s.width == 0 {
		return s.paint.as(code, text)
	}
	lines := wrap(text, s.width-indent)
	for i, l := range lines {
		lines[i] = s.paint.as(code, l)
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", indent))
}

func (s *plainStage) show(event any) error {
	_, row := event.(tableRow)
	if s.table && !row {
		fmt.Fprintln(s.w)
	}
	s.table = row
	switch e := event.(type) {
	case started:
		return s.node(e)
	case step:
		return printf(s.w, "\n%s\n", s.fit(0, bold, fmt.Sprintf("%d. %s", e.Step, e.Text)))
	case typed:
		if s.width > 0 {
			e.Command = shortIDs(e.Command)
		}
		return s.said(e.Name, dim, "$ "+e.Command)
	case heard:
		return s.line(e)
	case refused:
		return s.said(e.Name, yellow, "! refused: "+e.Message)
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
	return s.said(e.Name, "", words.Fingerprint(e.PeerID)+", fingerprint "+e.Fingerprint+more)
}

// said writes a line of one person.
func (s *plainStage) said(name, code, text string) error {
	return printf(s.w, "  %s %s\n", s.name(name), s.fit(nameWidth+3, code, text))
}

func (s *plainStage) line(e heard) error {
	text := words.Line(value(e.Line.Text))
	switch {
	case e.Line.Kind == "unreadable":
		return s.said(e.Name, dim, "⋯ a line of "+e.sender+": "+e.reason)
	case e.Line.Kind != "message":
		return s.said(e.Name, dim, "─ "+e.reason)
	case !e.Line.Encrypted:
		return s.said(e.Name, onPlain, "> plain "+e.sender+": "+text)
	}
	return s.said(e.Name, personColour(e.sender), "> "+e.sender+": "+text)
}

func (s *plainStage) check(e check) error {
	if e.OK {
		return printf(s.w, "  %s %s\n", s.paint.as(green, "✓"), s.fit(4, "", e.Text))
	}
	return printf(s.w, "  %s %s\n", s.paint.as(red, "✗ NOT TRUE:"), s.fit(4, "", e.Text))
}

const cellWidth = 21 // of the longest, "cannot (joined later)"

// row writes a line of the table, and its head before the first. Where there
// is no room for the text it goes: the number says which line it is.
func (s *plainStage) row(e tableRow) error {
	label := func(number, name, text, key string) string {
		out := fmt.Sprintf("%2s %s", number, s.name(name))
		if s.width == 0 || s.width >= wideTable {
			out += fmt.Sprintf(" %-17s %-6s", text, key)
		}
		return out
	}
	if s.width > 0 && s.width < narrowest-1 {
		return s.narrowRow(e)
	}
	if e.Number == 1 {
		head := "\n" + label("", "", "", "")
		for _, name := range e.names {
			head += "  " + s.paint.person(name, fmt.Sprintf("%-*s", cellWidth, name))
		}
		if err := printf(s.w, "%s\n", head); err != nil {
			return err
		}
	}
	return printf(s.w, "%s%s\n", label(strconv.Itoa(e.Number), e.Sender, e.Text, key(e.Epoch)), s.cells(e))
}

const wideTable = 103 // columns of a screen whose table has room for the texts

// narrowRow names the readers of a line one below the other.
func (s *plainStage) narrowRow(e tableRow) error {
	if err := printf(s.w, "\n%2d %s: %s, %s\n", e.Number, s.paint.person(e.Sender, e.Sender), e.Text, key(e.Epoch)); err != nil {
		return err
	}
	for _, name := range e.names {
		if err := printf(s.w, "   %s %s\n", s.name(name), s.paint.as(cellColour(e.Cells[name]), e.Cells[name])); err != nil {
			return err
		}
	}
	return nil
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
