package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"conclave/node/api"
	"conclave/node/api/words"
)

// completeTimeout bounds what a shell waits for when somebody presses tab.
const completeTimeout = time.Second

// completeGroups offers the names of the groups for a first argument GROUP; no
// argument of any command is a file.
func (a *app) completeGroups(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 0 || !takesGroup(cmd) || a.settle() != nil {
		return nil, none
	}
	c, err := api.Dial(cmd.Context(), a.home, completeTimeout)
	if err != nil {
		return nil, none
	}
	var names []string
	forgets := cmd.Name() == "forget" // which is for groups that one is not in any more
	for g, err := range c.Groups(cmd.Context(), forgets) {
		// A name that would have to be shown otherwise than it is cannot be typed.
		if err == nil && words.Line(g.Name) == g.Name && (g.Role == "none") == forgets {
			names = append(names, g.Name)
		}
	}
	return names, none
}

// takesGroup reports whether a command's first argument is a group.
func takesGroup(cmd *cobra.Command) bool {
	fields := strings.Fields(cmd.Use)
	return len(fields) > 1 && strings.Trim(fields[1], "[]") == "GROUP"
}

// completeFlag offers the values of a flag that the command has.
func completeFlag(cmd *cobra.Command, flag string, values ...string) {
	// It errs where there is no such flag: a mistake in this program, which costs a
	// person no more than the offer.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
