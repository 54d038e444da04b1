package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

type leaveOptions struct {
	group   string
	abandon bool
}

func newLeave(a *app) *cobra.Command {
	var o leaveOptions
	cmd := command("leave GROUP [--abandon]", "Leave a group", 1, 1, func(ctx context.Context, args []string) error {
		o.group = args[0]
		return runLeave(ctx, a, o)
	})
	cmd.Flags().BoolVar(&o.abandon, "abandon", false, "as its owner: leave the others without one")
	return cmd
}

func runLeave(ctx context.Context, a *app, o leaveOptions) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		change, err := c.Leave(ctx, o.group, o.abandon)
		if err != nil {
			return err
		}
		return emit(a, change, showChange)
	})
}

// changeMember is kick, ban or unban.
type changeMember func(c *api.Client, ctx context.Context, group, peer string) (node.Change, error)

func newKick(a *app) *cobra.Command {
	return memberCommand(a, "kick GROUP PEER", "Remove a member and replace the key", (*api.Client).Kick)
}

func newBan(a *app) *cobra.Command {
	return memberCommand(a, "ban GROUP PEER", "Remove a person for good and replace the key", (*api.Client).Ban)
}

func newUnban(a *app) *cobra.Command {
	return memberCommand(a, "unban GROUP PEER_ID", "Allow a banned person to be admitted again", (*api.Client).Unban)
}

func memberCommand(a *app, use, short string, change changeMember) *cobra.Command {
	return command(use, short, 2, 2, func(ctx context.Context, args []string) error {
		return runChange(ctx, a, change, args[0], args[1])
	})
}

func runChange(ctx context.Context, a *app, change changeMember, group, peer string) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		done, err := change(c, ctx, group, peer)
		if err != nil {
			return err
		}
		if err := emit(a, done, showChange); err != nil || done.LinksEnded == 0 || a.json {
			return err
		}
		fmt.Fprintf(a.stderr, "conclave: the removal ended %d of the group's links\n", done.LinksEnded)
		if isTerminal(a.stdin) && a.yes(words.Hint("linked.retired")+"?") {
			return a.renewLink(ctx, c, group)
		}
		fmt.Fprintf(a.stderr, "hint: %s with %s\n", words.Hint("linked.retired"), a.own("invite", group, "--link", "--preapproved"))
		return nil
	})
}

// yes asks the person at the terminal. Anything but a yes is a no.
func (a *app) yes(question string) bool {
	fmt.Fprint(a.stderr, question+" [y/N] ")
	line, err := bufio.NewReader(io.LimitReader(a.stdin, 64)).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return err == nil && (answer == "y" || answer == "yes")
}

// renewLink makes a link for as many, and for as long, as the newest one that a
// removal ended was still good for.
func (a *app) renewLink(ctx context.Context, c *api.Client, group string) error {
	all, err := collect(c.Links(ctx, group))
	if err != nil {
		return err
	}
	o := node.LinkOptions{Uses: 1, PreApproved: true}
	for _, l := range all {
		if l.PreApproved && l.State == "retired" {
			o.Uses, o.Expires = max(l.Uses-min(l.Used, l.Uses), 1), lifeLeft(l.Expires)
		}
	}
	l, err := c.CreateLink(ctx, group, o)
	if err != nil {
		return err
	}
	return emit(a, l, showLink)
}

// lifeLeft is how long a link was still good for, nil where that is no time to
// speak of.
func lifeLeft(expires *string) *time.Duration {
	if expires == nil {
		return nil
	}
	at, err := time.Parse(time.RFC3339, *expires)
	left := time.Until(at).Round(time.Second)
	if err != nil || left < time.Hour {
		return nil
	}
	return &left
}

func showChange(w io.Writer, c node.Change) {
	row(w, words.State("change", c.State), c.PeerID)
	if c.Epoch != nil && c.State != "left" {
		row(w, "now", words.Key(c.Epoch))
	}
}
