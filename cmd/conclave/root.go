package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

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
			"`conclave up` runs the node; all other commands speak to it.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE: func(*cobra.Command, []string) error {
			e := usage("no command given")
			e.Hint = "`conclave up` runs your node; `conclave --help` lists the commands"
			return e
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
	root.SetHelpTemplate(root.HelpTemplate() + "{{if not .HasParent}}\n" + exitTable() + "{{end}}")
	addGroup(root, "node", "Your node:", newUp(a), newStop(a), newStatus(a), newDoctor(a), newInit(a), newID(a), newName(a), newBackup(a), newRestore(a), newVersion(a), newDemo(a))
	addGroup(root, "talk", "Talking:", newChat(a), newSend(a), newLog(a), newDM(a), newWeb(a), newHeld(a), newRetention(a), newMessage(a))
	addGroup(root, "join", "Getting in and letting in:", newGroup(a), newJoin(a), newRequests(a), newApprove(a), newDecline(a),
		newInvite(a), newLinks(a), newInvites(a), newAccept(a))
	addGroup(root, "members", "Members and keys:", newMembers(a), newNearby(a), newVerify(a), newKeys(a), newRotate(a), newEncryption(a),
		newDeputy(a), newTransfer(a), newKick(a), newBan(a), newUnban(a), newLeave(a), newEvidence(a), newProof(a))
	a.completeAll(root)
	return root
}

// addGroup adds commands under a heading of the help.
func addGroup(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, c := range commands {
		c.GroupID = id
	}
	root.AddCommand(commands...)
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
		Args: func(cmd *cobra.Command, args []string) error {
			return checkArgs(cmd, args, least, most)
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

// checkArgs counts the arguments, of which none may be empty. Whatever is not
// UTF-8 would reach the node as something else than was typed.
func checkArgs(cmd *cobra.Command, args []string, least, most int) error {
	name := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
	var e *node.Error
	switch {
	case len(args) < least:
		e = usage("%s needs more arguments", name)
	case len(args) > most:
		e = usage("%s does not take %q", name, args[most])
	default:
		return checkEach(name, args)
	}
	e.Hint = "usage: " + cmd.Parent().CommandPath() + " " + cmd.Use
	if len(args) > most && strings.Contains(cmd.Use, "TEXT") {
		e.Hint += "; a text of several words goes between quotes"
	}
	return e
}

func checkEach(name string, args []string) error {
	for i, arg := range args {
		switch {
		case arg == "":
			return usage("argument %d of %s is empty", i+1, name)
		case !utf8.ValidString(arg):
			return usage("argument %d of %s is not UTF-8", i+1, name)
		}
	}
	return nil
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

// flagError explains what most often goes wrong: a text that begins with a
// dash, and a duration without its unit.
func flagError(cmd *cobra.Command, err error) error {
	e := usage("%s", err)
	e.Hint = fmt.Sprintf("`%s --help` lists the flags", cmd.CommandPath())
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && strings.Contains(cmd.Use, "TEXT"):
		e.Hint = fmt.Sprintf("a text that begins with a dash goes after `--`: %s GROUP -- -TEXT", cmd.CommandPath())
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		e.Message = fmt.Sprintf("--%s takes %s, not %q", f.Name, valuesOf(f.Value.Type()), invalid.GetValue())
	}
	return e
}

// valuesOf says what a flag of the given type takes.
func valuesOf(kind string) string {
	switch kind {
	case "duration":
		return "a duration with its unit, for example 30s, 5m or 720h"
	case "bool":
		return "true or false"
	}
	return "a whole number"
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
