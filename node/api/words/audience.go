package words

import (
	"fmt"
	"strings"
)

// Audience is what decides who can read the next line.
type Audience struct {
	Out     bool     // the author is no member any more
	E2EE    bool     // the group's encryption is on
	Plain   bool     // the author chose plaintext for this line
	Key     bool     // this node holds a key that is not due to be replaced first
	Members int      // the author included
	Cannot  []string // members without the key, as Who has them
}

// Readers says who can read the next line: it stands where the line is written.
func Readers(a Audience) string {
	switch {
	case a.Out:
		return "nobody: you are not a member any more"
	case !a.E2EE || a.Plain:
		return "PLAIN · anyone relaying can read"
	case !a.Key:
		return "sealed, once there is a key · a line is held until then"
	case a.Members <= 1:
		return "sealed · nobody else is here yet"
	case len(a.Cannot) == 0:
		return fmt.Sprintf("sealed for %d", a.Members)
	}
	return fmt.Sprintf("sealed for %d · %s no key yet", max(a.Members-len(a.Cannot), 1), havent(a.Cannot))
}

// havent names one or two people, or one and how many others, with their verb.
func havent(names []string) string {
	switch len(names) {
	case 1:
		return names[0] + " has"
	case 2:
		return strings.Join(names, " and ") + " have"
	}
	return fmt.Sprintf("%s and %d others have", names[0], len(names)-1)
}

// Presence is a sign for whether a member can be reached, and for the role.
func Presence(role string, online bool) string {
	sign := "○"
	if online {
		sign = "●"
	}
	switch role {
	case "owner":
		return sign + "★"
	case "deputy":
		return sign + "◆"
	}
	return sign + " "
}

// Ticks is a sign for how far an own message has come: one where it has left,
// two where all have it, and how many do in between.
func Ticks(state string, to, of *int) string {
	switch {
	case state == "held":
		return "held"
	case state == "delivered":
		return "✓✓"
	case state == "sent" && to != nil && of != nil && *of > 1:
		return fmt.Sprintf("✓ %d/%d", *to, *of)
	case state == "sent":
		return "✓"
	}
	return ""
}
