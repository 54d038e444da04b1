package node

import (
	"fmt"
	"strings"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/api/words"
)

// missing says what of an author's log is not here, who has it, and when a
// member was last asked. A record holds one message or more.
func missing(g group.Gap, author string, holders []string, asked time.Time) string {
	which := fmt.Sprint(g.From)
	if g.To > g.From {
		which = fmt.Sprintf("%d-%d", g.From, g.To)
	}
	has := words.Say("gap.nobody")
	switch n := len(holders); {
	case n == 1:
		has = words.Say("gap.one", "who", holders[0])
	case n > 1:
		has = words.Say("gap.many", "who", listed(holders))
	}
	tried := words.Say("gap.unasked")
	if !asked.IsZero() {
		tried = words.Say("gap.asked", "ago", ago(time.Since(asked)))
	}
	return words.Say("gap", "what", count(int(g.To-g.From+1), "message"), "who", author, "n", which, "has", has, "tried", tried)
}

// count is n with its word.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// listed names the first few of many.
func listed(who []string) string {
	const most = 3
	switch n := len(who); {
	case n == 0:
		return ""
	case n == 1:
		return who[0]
	case n <= most:
		return strings.Join(who[:n-1], ", ") + " and " + who[n-1]
	default:
		return fmt.Sprintf("%s and %d others", strings.Join(who[:most-1], ", "), n-most+1)
	}
}

// shortly names people by their fingerprints alone.
func shortly(ps []keys.PeerID) []string {
	var out []string
	for _, p := range ps {
		out = append(out, "·"+p.Short())
	}
	return out
}

// ago says how long something is past.
func ago(d time.Duration) string {
	if d < 2*time.Second {
		return "just now"
	}
	return lasting(d) + " ago"
}

// lasting is a length of time in its largest unit.
func lasting(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
