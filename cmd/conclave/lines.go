package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"conclave/node"
	"conclave/node/api/words"
)

// linePrinter shows the lines of a log to people.
type linePrinter struct {
	w      io.Writer
	self   string          // our peer ID: own lines say "you"
	alike  map[string]bool // peer IDs whose name could be taken for another's
	colour bool
	zone   *time.Location
	now    func() time.Time
	day    string // of the line before
}

const (
	plainOn  = "\x1b[30;43m" // its own background, to the end of the line
	plainOff = "\x1b[K\x1b[0m"
	dimOn    = "\x1b[2m"
	dimOff   = "\x1b[0m"
)

// print writes one line of the log, and the day before it where it changed.
func (p *linePrinter) print(l node.LogLine) error {
	clock := "--:--"
	if at, ok := parseTime(l.Time, p.zone); ok {
		clock = at.Format("15:04")
		if err := p.rule(at.Format("Monday 2 January 2006")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(p.w, p.format(clock, l))
	return err
}

func (p *linePrinter) rule(day string) error {
	if day == p.day {
		return nil
	}
	p.day = day
	_, err := fmt.Fprintln(p.w, p.dim("── "+day+" ──"))
	return err
}

func parseTime(t *string, zone *time.Location) (time.Time, bool) {
	if t == nil {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, *t)
	return at.In(zone), err == nil
}

// format makes one line. That a message was plain stands before everything
// else, where no text can imitate it: continuation lines are indented.
func (p *linePrinter) format(clock string, l node.LogLine) string {
	reason := words.Line(value(l.Reason))
	switch l.Kind {
	case "message":
		if !l.Encrypted {
			return p.plain("plain " + clock + " " + p.who(l) + "  " + words.Text(value(l.Text), plainMargin) + p.progress(l))
		}
		line := clock + " " + p.who(l) + "  " + words.Text(value(l.Text), margin) + p.progress(l)
		if value(l.State) == "held" {
			return p.dim(line)
		}
		return line
	case "unreadable":
		return p.dim(clock + " ⋯ " + words.Unreadable(p.who(l), reason))
	case "gap":
		return p.dim(clock + " ⋯ " + reason)
	}
	return p.dim(clock + " ─ " + reason + " ─")
}

// progress says what is still open about an own message. Its way to the others
// takes a moment, of which nobody need be told.
func (p *linePrinter) progress(l node.LogLine) string {
	at, _ := parseTime(l.Time, p.zone)
	if value(l.State) == "sent" && p.now().Sub(at) < onTheWay {
		return ""
	}
	open := words.Progress(value(l.State), words.Line(value(l.Reason)), l.Delivered, l.Recipients)
	if open == "" {
		return ""
	}
	return "  · " + open
}

const onTheWay = 10 * time.Second

const (
	margin      = "      │ "
	plainMargin = "plain       │ "
)

func (p *linePrinter) who(l node.LogLine) string {
	sender := value(l.Sender)
	switch sender {
	case "":
		return "somebody"
	case p.self:
		return "you"
	}
	who := words.Who(value(l.SenderName), sender)
	if p.alike[sender] {
		who += " " + words.Say("alike.mark")
	}
	return who
}

// plain gives every line of a plain message its background.
func (p *linePrinter) plain(s string) string {
	if !p.colour {
		return s
	}
	return plainOn + strings.ReplaceAll(s, "\n", plainOff+"\n"+plainOn) + plainOff
}

func (p *linePrinter) dim(s string) string {
	if !p.colour {
		return s
	}
	return dimOn + s + dimOff
}

// value is the string that may be absent.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
