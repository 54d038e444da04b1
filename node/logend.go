package node

import (
	"context"
	"fmt"

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
		out = append(out, r.parkedLines(m)...)
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
	holders, asked := r.syncer.holders(g)
	line.Missing = &Missing{From: g.From, To: g.To, HeldBy: []string{}}
	var who []string
	for _, p := range holders {
		line.Missing.HeldBy = append(line.Missing.HeldBy, p.String())
		who = append(who, person(m, p))
	}
	if !asked.IsZero() {
		line.Missing.Asked = timeText(uint64(asked.UnixMilli()))
	}
	line.Reason = ptr(missing(g, person(m, g.Author), who, asked))
	return line
}
