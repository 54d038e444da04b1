package words

import (
	"fmt"
	"strconv"
	"strings"
)

// Sealed says whether a group's encryption is on.
func Sealed(e2ee bool) string {
	if e2ee {
		return "sealed"
	}
	return "PLAIN"
}

// Key names an epoch by its generation; nil is none.
func Key(epoch *uint64) string {
	if epoch == nil {
		return "no key yet"
	}
	return fmt.Sprintf("key %d", *epoch)
}

// Marked says why a group's key is due for replacement, "" where it is not.
func Marked(state string) string {
	switch state {
	case "soft":
		return "key due for replacement"
	case "hard":
		return "needs a new key before anyone speaks"
	}
	return ""
}

// History says what newcomers may read.
func History(history string) string {
	switch history {
	case "none":
		return "newcomers read only what comes after them"
	case "all":
		return "newcomers read everything"
	}
	return Line(history)
}

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

// Reason says why a key came to be.
func Reason(reason string) string {
	switch reason {
	case "create":
		return "the first"
	case "admitted":
		return "somebody joined"
	case "removed":
		return "somebody left or was removed"
	case "encryption-on":
		return "encryption was switched on"
	case "age":
		return "the old one had served its time"
	case "messages":
		return "the old one had served its messages"
	case "request":
		return "on request"
	case "rescue":
		return "nobody could hand over the old one"
	case "cover":
		return "so that everyone has it"
	}
	return Line(reason)
}

// RotateBy says who may replace the key.
func RotateBy(who string) string {
	switch who {
	case "any":
		return "any member"
	case "deputies":
		return "the owner and the deputies"
	case "owner":
		return "the owner alone"
	}
	return Line(who)
}

// Online says whether a member can be reached now.
func Online(online bool) string {
	if online {
		return "online"
	}
	return "away"
}

// Role says what a person may do in a group.
func Role(role string) string {
	if role == "none" {
		return "not a member"
	}
	return Line(role)
}

// Join says how far a request to join has come.
func Join(state string) string {
	switch state {
	case "requested":
		return "asked; waiting for the answer"
	case "joined":
		return "joined"
	case "declined":
		return "declined"
	}
	return Line(state)
}

// Asked is Join for a request that a member may keep for those who may approve.
func Asked(state string, kept bool) string {
	if kept && state == "requested" {
		return "asked; kept by a member for those who may approve"
	}
	return Join(state)
}

// Link says what a link is good for: how many come in unasked, or that somebody
// approves.
func Link(preApproved bool, uses uint64) string {
	switch {
	case !preApproved:
		return "asking; somebody approves"
	case uses == 1:
		return "1 person, let in by any member"
	}
	return fmt.Sprintf("%d people, let in by any member", uses)
}

// Delivery says what became of a message. Held is not sent.
func Delivery(state string, epoch *uint64, encrypted bool) string {
	switch {
	case state == "sent" && !encrypted:
		return "sent PLAIN: anyone relaying can read it"
	case state == "sent":
		return "sent, sealed under " + Key(epoch)
	case state == "held":
		return "held: kept here, waiting for a key"
	}
	return Line(state)
}

// Progress says what is still open about a message of one's own, "" where it is
// with everyone that it is for.
func Progress(state, reason string, to, of *int) string {
	switch {
	case state == "held":
		return "held: " + reason
	case state == "sent" && to != nil && of != nil && *of > 0:
		return fmt.Sprintf("so far with %d of %d", *to, *of)
	}
	return ""
}

// Finding says how a thing stands that `doctor` looked at.
func Finding(state string) string {
	switch state {
	case "ok":
		return "ok"
	case "wait":
		return "WAIT"
	}
	return "ACT"
}

// Out says how somebody came to be out of a group.
func Out(state, by string) string {
	switch state {
	case "removed":
		return "was removed by " + by
	case "banned":
		return "was banned by " + by
	case "left":
		return "left"
	}
	return Line(state)
}

// MostUnread is how many unread messages are counted at most.
const MostUnread = 100

// Unread says how many messages were not read, "" where that is none.
func Unread(n int) string {
	if n == 0 {
		return ""
	}
	return UpTo(n) + " unread"
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
