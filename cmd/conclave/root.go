package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"conclave/node"
)

// newRoot builds the whole command line.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "conclave",
		Short: "A group messenger without servers: every room has a lock, everyone inside holds the key",
		Long: "conclave is a node of a group messenger without servers, end-to-end encrypted.\n" +
			"`conclave up` runs the node; all other commands speak to it.\n\n" + exitTable(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !a.json {
				cmd.SetOut(a.stderr)
				cmd.Help()
			}
			return usage("no command given")
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.homeGiven = cmd.Flags().Changed("home")
			return a.settle()
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.home, "home", "", "the node's folder (default $CONCLAVE_HOME, else ~/.local/share/conclave)")
	flags.BoolVar(&a.json, "json", false, "answer with one JSON object per line")
	flags.DurationVar(&a.timeout, "timeout", 30*time.Second, "the longest any wait may take; 0 for no limit")
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelp(root))
	root.AddCommand(newInit(a), newID(a), newVersion(a), newStatus(a), newDoctor(a), newUp(a))
	root.AddCommand(newGroup(a), newInvite(a), newInvites(a), newAccept(a))
	root.AddCommand(newJoin(a), newRequests(a), newApprove(a), newDecline(a), newMembers(a))
	root.AddCommand(newSend(a), newLog(a), newDM(a))
	root.AddCommand(newLeave(a), newKick(a), newBan(a), newUnban(a))
	root.AddCommand(newRotate(a), newEncryption(a), newKeys(a), newVerify(a), newDemo(a))
	root.AddCommand(newBackup(a), newRestore(a), newHeld(a))
	a.completeAll(root)
	return root
}

func (a *app) completeAll(parent *cobra.Command) {
	for _, cmd := range parent.Commands() {
		cmd.ValidArgsFunction = a.completeGroups
		a.completeAll(cmd)
	}
}

// command makes a command whose run is bounded and classified like all others.
// use begins with the name and then names the arguments, of which there are
// between least and most. A command whose flags have to exist before its run
// passes nil, and sets RunE afterwards.
func command(use, short string, least, most int, run func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use:                   use,
		Short:                 short,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			return countArgs(use, args, least, most)
		},
		RunE: runs(run),
	}
}

// runs makes a command's run a RunE whose errors are known as those of a
// command that ran.
func runs(run func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := run(cmd.Context(), args); err != nil {
			return failure{err}
		}
		return nil
	}
}

func countArgs(use string, args []string, least, most int) error {
	name, _, _ := strings.Cut(use, " ")
	var e *node.Error
	switch {
	case len(args) < least:
		e = usage("%s needs more arguments", name)
	case len(args) > most:
		e = usage("%s does not take %q", name, args[most])
	default:
		return nil
	}
	e.Hint = "usage: conclave " + use
	if len(args) > most && strings.Contains(use, "TEXT") {
		e.Hint += "; a text of several words goes between quotes"
	}
	return e
}

// noSuchCommand refuses what is not a command; cobra itself would print the
// help of a group of commands and call it a success.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	e := usage("unknown command %q for %q", args[0], cmd.CommandPath())
	e.Hint = fmt.Sprintf("`%s --help` lists the commands", cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		e.Hint = fmt.Sprintf("did you mean `%s %s`?", cmd.CommandPath(), near[0])
	}
	return e
}

// flagError explains what most often goes wrong: a text that begins with a dash.
func flagError(cmd *cobra.Command, err error) error {
	e := usage("%s", err)
	e.Hint = fmt.Sprintf("`%s --help` lists the flags", cmd.CommandPath())
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && strings.Contains(cmd.Use, "TEXT") {
		e.Hint = fmt.Sprintf("a text that begins with a dash goes after `--`: %s GROUP -- -TEXT", cmd.CommandPath())
	}
	return e
}

// newHelp is cobra's help command, except that a topic it does not know is an
// error.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			topic, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return noSuchCommand(topic, append(rest, args...)[:1])
			}
			return topic.Help()
		},
	}
}
