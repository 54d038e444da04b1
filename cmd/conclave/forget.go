package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

func newGroupRename(a *app) *cobra.Command {
	return command("rename GROUP NAME", "Give a group another name, at everybody (owner); the old one names it no more", 2, 2,
		func(ctx context.Context, args []string) error {
			return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
				g, err := c.SetGroup(ctx, args[0], node.SetGroup{Name: &args[1]})
				if err != nil {
					return err
				}
				return emit(a, shown(g), showShown)
			})
		})
}

func newGroupForget(a *app) *cobra.Command {
	var yes bool
	cmd := command("forget GROUP [--yes]", "Erase a group here that you are not in any more: its history and keys, from the files too", 1, 1,
		func(ctx context.Context, args []string) error { return runForget(ctx, a, args[0], yes) })
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func runForget(ctx context.Context, a *app, group string, yes bool) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		g, err := c.Group(ctx, group)
		if err != nil {
			return err
		}
		if !yes {
			if err := a.confirm(fmt.Sprintf("Erase all that is here of %s?", g.Title())); err != nil {
				return err
			}
		}
		done, err := c.Forget(ctx, g.GroupID)
		if err != nil {
			return err
		}
		return emit(a, done, showForgotten)
	})
}

func showForgotten(w io.Writer, f node.Forgotten) { row(w, words.Say("forgotten"), words.Line(f.Name)) }

// confirm asks the person at the terminal; where there is none it takes nothing
// for a yes.
func (a *app) confirm(question string) error {
	if !isTerminal(a.stdin) {
		e := usage("this cannot be undone, and stdin is not a terminal to ask")
		e.Hint = "--yes"
		return e
	}
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	answer, err := bufio.NewReader(io.LimitReader(a.stdin, 64)).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &node.Error{Kind: node.NotAllowed, Message: "nothing was done"}
}
