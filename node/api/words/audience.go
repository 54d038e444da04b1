package words

import (
	"fmt"
	"strconv"
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
	n := strconv.Itoa(max(a.Members-len(a.Cannot), 1))
	switch {
	case a.Out:
		return Say("towhom.out")
	case !a.E2EE || a.Plain:
		return Say("towhom.plain")
	case !a.Key:
		return Say("towhom.nokey")
	case a.Members <= 1:
		return Say("towhom.alone")
	case len(a.Cannot) == 0:
		return Say("towhom.sealed", "n", n)
	}
	return Say("towhom.some", "n", n, "who", havent(a.Cannot))
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
	sign := Say("sign.away")
	if online {
		sign = Say("sign.online")
	}
	if s := Say("sign." + role); s != "" {
		return sign + s
	}
	return sign + " "
}

// Ticks is a sign for how far an own message has come: one where it has left,
// two where all have it, and how many do in between.
func Ticks(state string, to, of *int) string {
	switch {
	case state == "held":
		return Say("held")
	case state == "delivered":
		return Say("sign.delivered")
	case state == "sent" && to != nil && of != nil && *of > 1:
		return Say("sign.some", "n", strconv.Itoa(*to), "of", strconv.Itoa(*of))
	case state == "sent":
		return Say("sign.sent")
	}
	return ""
}
