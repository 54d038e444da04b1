package main

import (
	"strings"

	"conclave/node"
	"conclave/node/api/words"
)

// What people copy from the screen into a shell.

const shortID = 12 // hex digits of a group's ID that stand for it on a screen

// own is a command line for this node, ready to be copied.
func (a *app) own(command ...string) string {
	for i, w := range command {
		command[i] = shellWord(w)
	}
	line := shellWord(programName()) + " " + strings.Join(command, " ")
	if a.homeGiven {
		line += " --home " + shellWord(a.home)
	}
	return line
}

// shellWord quotes s where a shell would not take it as one word as it stands.
func shellWord(s string) string {
	const safe = "_-./:@%+=,"
	for _, r := range s {
		if !strings.ContainsRune(safe, r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	return s
}

func short(groupID string) string { return groupID[:min(shortID, len(groupID))] }

// callable returns what people type for each of the groups, by ID: the name
// where it means one group and can be typed as it is seen, else the begin of
// the ID.
func callable(groups []node.GroupInfo) map[string]string {
	bearers := map[string]int{}
	for _, g := range groups {
		bearers[g.Name]++
	}
	out := map[string]string{}
	for _, g := range groups {
		out[g.GroupID] = short(g.GroupID)
		if bearers[g.Name] == 1 && words.Line(g.Name) == g.Name {
			out[g.GroupID] = g.Name
		}
	}
	return out
}

// nameOf is the entry of a map from callable, or the begin of an ID that it
// does not hold.
func nameOf(names map[string]string, groupID string) string {
	if name := names[groupID]; name != "" {
		return name
	}
	return short(groupID)
}
