package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"conclave/node"
)

// What a person could do with a line, as the table says it.
const (
	canRead     = "read"
	canPlain    = "plain"
	cannotLeft  = "cannot (left before)"
	cannotLater = "cannot (joined later)"
	cannot      = "cannot"
)

// tableRow is one line of the table at the end.
type tableRow struct {
	Event  string            `json:"event"` // row
	Number int               `json:"number"`
	Sender string            `json:"sender"`
	Text   string            `json:"text"`
	Epoch  *uint64           `json:"epoch"`
	Cells  map[string]string `json:"cells"` // by name

	names []string // the columns in order
}

// ended is the last event of a demo that succeeded.
type ended struct {
	Event   string  `json:"event"` // end
	OK      bool    `json:"ok"`
	Checks  int     `json:"checks"`
	Seconds float64 `json:"seconds"`
}

// reckon asks each node for its own log and says who could read what.
func (d *demo) reckon(ctx context.Context) error {
	if err := d.step(ctx, "who could read what: from each node's own log"); err != nil {
		return err
	}
	logs := map[string][]node.LogLine{}
	for _, p := range d.cast {
		log, err := give[node.LogLine](ctx, d, p, "log", demoRoom, "--json")
		if err != nil {
			return err
		}
		logs[p.name] = log
	}
	for _, l := range d.lines {
		if err := d.stage.show(d.rowOf(l, logs)); err != nil {
			return err
		}
	}
	for _, p := range d.cast {
		if err := d.judge(p, logs[p.name]); err != nil {
			return err
		}
	}
	if err := d.check(!knows(logs[d.alice.name], d.unsent) && !knows(logs[d.bob.name], d.unsent), "the line that was refused is nowhere"); err != nil {
		return err
	}
	return d.check(sameOrder(logs[d.alice.name], logs[d.bob.name]), "alice and bob have their lines in the same order")
}

func (d *demo) rowOf(l *spoken, logs map[string][]node.LogLine) tableRow {
	r := tableRow{Event: "row", Number: l.number, Sender: l.sender, Text: l.text, Epoch: l.sent.Epoch, Cells: map[string]string{}}
	for _, p := range d.cast {
		r.names = append(r.names, p.name)
		r.Cells[p.name] = cell(p, l, logs[p.name])
	}
	return r
}

// cell says what p could do with a line: by p's log whether it was readable,
// by the story why not.
func cell(p *actor, l *spoken, log []node.LogLine) string {
	i := slices.IndexFunc(log, func(have node.LogLine) bool { return value(have.Text) == l.text })
	switch {
	case i >= 0 && log[i].Encrypted:
		return canRead
	case i >= 0:
		return canPlain
	case p.from == 0 || l.number < p.from:
		return cannotLater
	case p.until > 0 && l.number > p.until:
		return cannotLeft
	}
	return cannot
}

// knows reports whether any word of a text stands anywhere in a log.
func knows(log []node.LogLine, text string) bool {
	return slices.ContainsFunc(log, func(l node.LogLine) bool {
		return slices.ContainsFunc(strings.Fields(text), func(word string) bool {
			return strings.Contains(value(l.Text)+" "+value(l.Reason), word)
		})
	})
}

// sameOrder reports whether two logs have the lines that they share in one
// order.
func sameOrder(a, b []node.LogLine) bool {
	ids := func(of, in []node.LogLine) []string {
		var out []string
		for _, l := range of {
			if l.MessageID != nil && slices.ContainsFunc(in, func(o node.LogLine) bool { return value(o.MessageID) == *l.MessageID }) {
				out = append(out, *l.MessageID)
			}
		}
		return out
	}
	return slices.Equal(ids(a, b), ids(b, a))
}

// judge holds one person's log against the story: every line said while that
// person was inside is there as it was sent, and of no other line a word.
func (d *demo) judge(p *actor, log []node.LogLine) error {
	var read, later, left, wrong []int
	for _, l := range d.lines {
		want := canRead
		if !l.sent.Encrypted {
			want = canPlain
		}
		got := cell(p, l, log)
		switch {
		case l.number < p.from || p.from == 0:
			want, later = cannotLater, append(later, l.number)
		case p.until > 0 && l.number > p.until:
			want, left = cannotLeft, append(left, l.number)
		default:
			read = append(read, l.number)
		}
		if got != want || (want == cannotLater || want == cannotLeft) && knows(log, l.text) {
			wrong = append(wrong, l.number)
		}
	}
	text := fmt.Sprintf("%s could read %d of %d lines", p.name, len(read), len(d.lines))
	if len(later) > 0 {
		text += fmt.Sprintf("; not %s, said before %s joined", numbers(later), p.name)
	}
	if len(left) > 0 {
		text += fmt.Sprintf("; not %s, said after %s left", numbers(left), p.name)
	}
	if len(wrong) > 0 {
		text += fmt.Sprintf(" (the node's log says otherwise of %s)", numbers(wrong))
	}
	return d.check(len(wrong) == 0, "%s", text)
}

// numbers writes ascending numbers, runs of them as ranges.
func numbers(all []int) string {
	var parts []string
	for i := 0; i < len(all); {
		j := i
		for j+1 < len(all) && all[j+1] == all[j]+1 {
			j++
		}
		part := strconv.Itoa(all[i])
		if j > i {
			part += "-" + strconv.Itoa(all[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	if len(all) == 1 {
		return "line " + parts[0]
	}
	return "lines " + strings.Join(parts, ", ")
}
