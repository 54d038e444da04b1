package words

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Fingerprint is the short form of a peer ID that stands beside every name:
// its last six characters, which also name that peer on the command line.
func Fingerprint(peerID string) string {
	const length = 6
	id := Line(peerID)
	return "·" + id[max(0, len(id)-length):]
}

// Who is a name with the fingerprint of its bearer; the name may be empty.
func Who(name, peerID string) string {
	if name = Line(name); name == "" {
		return Fingerprint(peerID)
	}
	return name + " " + Fingerprint(peerID)
}

// Alike returns which of the names another of them could be taken for.
func Alike(names []string) []bool {
	count := map[string]int{}
	for _, n := range names {
		if s := skeleton(n); s != "" {
			count[s]++
		}
	}
	out := make([]bool, len(names))
	for i, n := range names {
		out[i] = count[skeleton(n)] > 1
	}
	return out
}

// Letters and digits that look like the one below them, in lower or in upper
// case. What escapes this short table is told apart by its fingerprint.
const (
	lookalikes = "асԁеһніјӏкморԛѕтυѵԝхуαεικνορτχγωßв" + "i013"
	latin      = "acdehhljlkmopqstuvwxyaelkvoptxywsb" + "lole"
)

// skeleton folds what looks alike into one form: case, width, accents,
// look-alike letters, and all that cannot be seen.
func skeleton(name string) string {
	from, to := []rune(lookalikes), []rune(latin)
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(Line(name))) {
		if unicode.In(r, unicode.Mn, unicode.Cf, unicode.Zs) {
			continue
		}
		for i, l := range from {
			if l == r {
				r = to[i]
				break
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
