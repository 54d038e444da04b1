package screen

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/rivo/uniseg"
)

// Terminals differ over how wide some characters are: those that are joined
// from several, emoji with a variant or a skin. A screen with columns may hold
// none of them: where two ways of counting differ, the character is shown in
// the simpler form that all count alike.

// settle makes a text that is safe to show one that every terminal counts alike.
func settle(s string) string {
	if isASCII(s) {
		return s
	}
	for range 4 { // what is left of two neighbours may join into one
		var b strings.Builder
		for g := uniseg.NewGraphemes(s); g.Next(); {
			b.WriteString(settleCluster(g.Str()))
		}
		if s = b.String(); agreed(s) {
			return s
		}
	}
	return strings.Map(func(r rune) rune {
		if r >= 0x80 {
			return '\ufffd'
		}
		return r
	}, s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// mostMarks is how many marks may stand on one character: what is more climbs
// over the lines above.
const mostMarks = 4

func settleCluster(c string) string {
	runes := []rune(c)
	if len(runes) == 1 {
		if !agreed(c) {
			return "\ufffd"
		}
		return c
	}
	if len(runes) <= mostMarks+1 && agreed(c) {
		return c
	}
	var b strings.Builder
	for i, r := range runes {
		one := string(r)
		w := ansi.StringWidthWc(one)
		if w == 0 && (i > mostMarks || strings.ContainsRune("\u200c\u200d\ufe0e\ufe0f", r)) || isSkin(r) {
			continue
		}
		if w == ansi.StringWidth(one) {
			b.WriteString(one)
		}
	}
	if out := b.String(); agreed(out) {
		return out
	}
	return settleCluster(string(runes[0]))
}

func isSkin(r rune) bool { return r >= 0x1f3fb && r <= 0x1f3ff }

// agreed reports whether both ways of counting give a text the same width, also
// where it stands behind something that it could join.
func agreed(s string) bool {
	s = " " + s
	return ansi.StringWidth(s) == ansi.StringWidthWc(s)
}

// cells is how many columns a settled text takes, styled or not.
func cells(s string) int { return ansi.StringWidth(s) }

// clip shortens a settled text to n columns; what is missing is an ellipsis.
func clip(s string, n int) string {
	if n <= 0 {
		return ""
	}
	return ansi.Truncate(s, n, "…")
}

// fill is s in exactly n columns.
func fill(s string, n int) string {
	s = clip(s, n)
	return s + strings.Repeat(" ", max(0, n-cells(s)))
}

// wrap breaks a settled text into rows of at most n columns, at least 2: at
// spaces where there are some. (The library's own leaves rows that are too long.)
func wrap(s string, n int) []string {
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		out = append(out, wrapLine(l, max(n, 2))...)
	}
	return out
}

func wrapLine(s string, n int) []string {
	var out []string
	row, used := 0, 0    // where the row begins, and its columns
	space, upTo := -1, 0 // its last space, and the columns up to behind it
	at := 0              // of the character
	for state := -1; at < len(s); {
		c, _, _, next := uniseg.FirstGraphemeClusterInString(s[at:], state)
		state = next
		w := 1
		if c[0] >= 0x80 || len(c) > 1 {
			w = cells(c)
		}
		switch {
		case used+w <= n:
		case c == " ": // it is where the row ends
			out, row, used, space = append(out, s[row:at]), at+1, 0, -1
			at++
			continue
		case space > row:
			out, row, used, space = append(out, s[row:space]), space+1, used-upTo, -1
		default:
			out, row, used, space = append(out, s[row:at]), at, 0, -1
		}
		if used += w; c == " " {
			space, upTo = at, used
		}
		at += len(c)
	}
	return append(out, s[row:])
}
