package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"conclave/group"
)

// endLines lists what has no place in the order: first what is known to be
// missing, then what this person said and is held.
func (r *room) endLines(ctx context.Context) ([]LogLine, error) {
	out := []LogLine{}
	err := r.look(ctx, func(m *group.Machine) {
		for _, g := range m.Gaps() {
			out = append(out, r.gapLine(m, g))
		}
		held := m.Held()
		for _, o := range held[:min(len(held), maxHeldLines)] {
			out = append(out, r.heldLine(m, o))
		}
		if more := len(held) - maxHeldLines; more > 0 {
			line := r.line("event", EndCursor)
			line.Reason = ptr(fmt.Sprintf("%d more messages are held", more))
			out = append(out, line)
		}
	})
	return out, err
}

// maxHeldLines is how many of the held messages are listed.
const maxHeldLines = 200

// heldLine shows a message that waits in the outbox, with why and since when.
func (r *room) heldLine(m *group.Machine, o group.OutItem) LogLine {
	line := r.line("message", EndCursor)
	line.MessageID, line.Sender, line.Time, line.Encrypted = ptr(o.ID.String()), ptr(m.Me().String()), timeText(o.Since), !o.Plain
	if name := m.Name(m.Me()); name != "" {
		line.SenderName = &name
	}
	line.Text, line.Reason, line.State = &o.Text, ptr(heldReason(m)), ptr("held")
	return line
}

func (r *room) gapLine(m *group.Machine, g group.Gap) LogLine {
	line := r.line("gap", EndCursor)
	line.Sender, line.Seq = ptr(g.Author.String()), &g.From
	if name := m.Name(g.Author); name != "" {
		line.SenderName = &name
	}
	holders, tried := r.syncer.holders(g)
	miss := &Missing{From: g.From, To: g.To, HeldBy: []string{}}
	var who []string
	for _, p := range holders {
		miss.HeldBy = append(miss.HeldBy, p.String())
		who = append(who, person(m, p))
	}
	asked := "nobody could be asked yet"
	if !tried.IsZero() {
		miss.Asked = timeText(uint64(tried.UnixMilli()))
		asked = "asked " + ago(time.Since(tried))
	}
	line.Missing = miss
	line.Reason = ptr(fmt.Sprintf("%s from %s missing (%s); %s; %s", atLeast(g.To-g.From+1), person(m, g.Author), span(g.From, g.To), has(who), asked))
	return line
}

// atLeast counts the messages of n records, each of which holds one or more.
func atLeast(n uint64) string {
	if n == 1 {
		return "1 message or more"
	}
	return fmt.Sprintf("%d messages or more", n)
}

func span(from, to uint64) string {
	if from == to {
		return fmt.Sprint(from)
	}
	return fmt.Sprintf("%d-%d", from, to)
}

func has(who []string) string {
	switch n := len(who); {
	case n == 0:
		return "nobody in reach has them"
	case n == 1:
		return who[0] + " has them"
	case n <= 3:
		return strings.Join(who[:n-1], ", ") + " and " + who[n-1] + " have them"
	default:
		return fmt.Sprintf("%s, %s and %d others have them", who[0], who[1], n-2)
	}
}

// ago says how long something is past, in its largest unit.
func ago(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/(24*time.Hour))
}
