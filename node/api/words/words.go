package words

import (
	"fmt"
	"strconv"
	"strings"
)

// Sealed says whether a group's encryption is on.
func Sealed(e2ee bool) string {
	if e2ee {
		return Say("sealed")
	}
	return Say("plain")
}

// Key names an epoch by its generation; nil is none.
func Key(epoch *uint64) string {
	if epoch == nil {
		return Say("nokey")
	}
	return Say("key", "n", strconv.FormatUint(*epoch, 10))
}

// Holders says how many have a key.
func Holders(n, of int) string { return Say("holders", "n", strconv.Itoa(n), "of", strconv.Itoa(of)) }

// Marked says why a group's key is due for replacement, "" where it is not.
func Marked(state string) string { return State("marked", state) }

// History says what newcomers may read.
func History(history string) string { return State("history", history) }

// KeyLife says when a key is due for replacement: after an age, a Go duration
// that is 0s for never, and after a number of messages, 0 for any.
func KeyLife(age string, messages uint64) string {
	var limits []string
	if age != "0s" {
		age = strings.TrimSuffix(age, "0s")
		if strings.HasSuffix(age, "h0m") {
			age = strings.TrimSuffix(age, "0m")
		}
		limits = append(limits, Line(age))
	}
	if messages > 0 {
		limits = append(limits, fmt.Sprintf("%d messages", messages))
	}
	if len(limits) == 0 {
		return "no limit"
	}
	return strings.Join(limits, " or ")
}

// Keep says how long messages are kept here, nil for ever.
func Keep(keep *string) string {
	if keep == nil {
		return Say("keep.forever")
	}
	return Line(*keep)
}

// CatchingUp says how far catch-up has come, in records.
func CatchingUp(done, total uint64) string {
	return Say("catchup", "n", strconv.FormatUint(done, 10), "of", strconv.FormatUint(total, 10))
}

// Reason says why a key came to be.
func Reason(reason string) string { return State("reason", reason) }

// RotateBy says who may replace the key.
func RotateBy(who string) string { return State("rotate", who) }

// Online says whether a member can be reached now.
func Online(online bool) string {
	if online {
		return Say("online")
	}
	return Say("away")
}

// Role says what a person is in a group.
func Role(role string) string { return State("role", role) }

// Can says what a deputy may do, "" where that is nothing.
func Can(can []string) string {
	if len(can) == 0 {
		return ""
	}
	out := make([]string, len(can))
	for i, c := range can {
		out[i] = State("can", c)
	}
	return "may " + strings.Join(out, ", ")
}

// Verified says whether the safety numbers were compared.
func Verified(verified bool) string { return Say("verified." + strconv.FormatBool(verified)) }

// Join says how far a request to join has come. A member may keep it for those
// who may approve.
func Join(state string, kept bool) string {
	if kept && state == "requested" {
		return Say("join.kept")
	}
	return State("join", state)
}

// Link says what a link is good for: how many come in unasked, or that somebody
// approves.
func Link(preApproved bool, uses uint64) string {
	switch {
	case !preApproved:
		return Say("link.asking")
	case uses == 1:
		return Say("link.one")
	}
	return Say("link.preapproved", "n", strconv.FormatUint(uses, 10))
}

// Delivery says what became of a message. Held is not sent.
func Delivery(state string, epoch *uint64, encrypted bool) string {
	switch {
	case state == "sent" && !encrypted:
		return Say("delivery.plain")
	case state == "sent":
		return Say("delivery.sealed", "key", Key(epoch))
	}
	return State("delivery", state)
}

// Progress says what is still open about a message of one's own, "" where it is
// with everyone that it is for.
func Progress(state, reason string, to, of *int) string {
	switch {
	case state == "held":
		return Say("held") + " · " + reason
	case state == "sent" && to != nil && of != nil && *of > 0:
		return Say("delivered.some", "n", strconv.Itoa(*to), "of", strconv.Itoa(*of))
	}
	return ""
}

// Reader is what is known of somebody who could read a message.
func Reader(message, key, out, later bool) string {
	says := Say("reader.none")
	switch {
	case message:
		says = Say("reader.message")
	case key:
		says = Say("reader.key")
	}
	switch {
	case out:
		says += "; " + Say("reader.out")
	case later:
		says += "; " + Say("reader.later")
	}
	return says
}

// Unreadable is what stands in the place of a message that cannot be read.
func Unreadable(who, reason string) string { return Say("unreadable", "who", who) + " · " + reason }

// Finding says how a thing stands that `doctor` looked at.
func Finding(state string) string { return State("finding", state) }

// Out says how somebody came to be out of a group.
func Out(state, by string) string {
	return strings.ReplaceAll(State("out", state), "{who}", by)
}

// MostUnread is how many unread messages are counted at most.
const MostUnread = 100

// Unread says how many messages were not read, "" where that is none.
func Unread(n int) string {
	if n == 0 {
		return ""
	}
	return Say("unread", "n", UpTo(n))
}

// UpTo is a number, or that it goes beyond what is counted.
func UpTo(n int) string {
	if n >= MostUnread {
		return fmt.Sprintf("%d+", MostUnread-1)
	}
	return strconv.Itoa(n)
}

// Count is n with the word for one or for many.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
