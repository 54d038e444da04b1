package main

import (
	"strings"

	"golang.org/x/text/width"
)

// shortIDs leaves of each long identifier its ends: the last six characters
// are its fingerprint.
func shortIDs(command string) string {
	const long = 32
	parts := strings.Split(command, " ")
	for i, p := range parts {
		if len(p) > long && !strings.HasPrefix(p, "/") {
			parts[i] = p[:6] + "…" + p[len(p)-6:]
		}
	}
	return strings.Join(parts, " ")
}

// wrap breaks a text at its spaces into lines of at most n cells.
func wrap(text string, n int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case cells(line)+1+cells(word) <= n:
			line += " " + word
		default:
			out, line = append(out, line), word
		}
		for cells(line) > n && line != cut(line, n) {
			head := cut(line, n)
			out, line = append(out, head), line[len(head):]
		}
	}
	return append(out, line)
}

// cut returns the longest beginning of s that takes at most n cells, and a
// character where even that takes more.
func cut(s string, n int) string {
	taken := 0
	for i, r := range s {
		if taken += runeCells(r); taken > n && i > 0 {
			return s[:i]
		}
	}
	return s
}

// cells is how many columns of a terminal s takes.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-cells(s))) }
