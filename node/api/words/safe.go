// Package words holds what every door shows to people: the words for the
// node's states, and the way a text that others wrote becomes safe to show.
// What machines read (JSON) does not pass through here.
package words

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line makes s safe as a part of one line: no control characters, no terminal
// sequences, nothing that reorders or hides text, and no line break.
func Line(s string) string {
	return strings.TrimSpace(clean(s, " "))
}

// Text makes a message safe. Every line after its first begins with margin, so
// that no text can look like a line that somebody else wrote.
func Text(s, margin string) string {
	return clean(strings.TrimRight(s, "\r\n"), "\n"+margin)
}

func clean(s, lineBreak string) string {
	var b strings.Builder
	for len(s) > 0 {
		if n := sequence(s); n > 0 {
			s = s[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		switch {
		case r == '\r' && strings.HasPrefix(s, "\n"):
		case r == '\n' || r == '\r' || r == '\v' || r == '\f' || r == 0x85 || r == 0x2028 || r == 0x2029:
			b.WriteString(lineBreak)
		case r == '\t':
			b.WriteByte(' ')
		case shown(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// shown reports whether r may reach a screen. Two format characters stay, the
// joiners, without which several scripts and most emoji fall apart.
func shown(r rune) bool {
	switch {
	case r == 0x200c || r == 0x200d:
		return true
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co):
		return false
	case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
		return false
	}
	return true
}

// sequence returns the length of the terminal sequence (ECMA-48) that s begins
// with, 0 for none. One that never ends reaches to the end of its line.
func sequence(s string) int {
	kind, n := introducer(s)
	switch kind {
	case 0:
		return 0
	case '[':
		for n < len(s) && s[n] >= 0x20 && s[n] <= 0x3f {
			n++
		}
		if n < len(s) && s[n] >= 0x40 && s[n] <= 0x7e {
			n++
		}
		return n
	case 's':
		return n + untilTerminator(s[n:])
	}
	return n
}

// introducer recognises ESC and the eight-bit forms. The kind is '[' for a
// control sequence, 's' for a string (OSC, DCS, APC, PM, SOS), 'e' for any
// other escape.
func introducer(s string) (kind byte, n int) {
	if strings.HasPrefix(s, "\x1b") {
		if len(s) == 1 {
			return 'e', 1
		}
		switch {
		case s[1] == '[':
			return '[', 2
		case strings.IndexByte("]PX^_", s[1]) >= 0:
			return 's', 2
		case s[1] >= 0x20 && s[1] <= 0x7e:
			return 'e', 2
		}
		return 'e', 1
	}
	switch r, n := utf8.DecodeRuneInString(s); r {
	case 0x9b:
		return '[', n
	case 0x90, 0x98, 0x9d, 0x9e, 0x9f:
		return 's', n
	}
	return 0, 0
}

// untilTerminator returns the length of a control string with its end: BEL,
// ST in either form, or the end of the line.
func untilTerminator(s string) int {
	for i, r := range s {
		switch {
		case r == '\a':
			return i + 1
		case r == 0x9c:
			return i + 2
		case r == '\n':
			return i
		case r == 0x1b && strings.HasPrefix(s[i+1:], "\\"):
			return i + 2
		}
	}
	return len(s)
}
