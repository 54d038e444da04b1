package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

func newGroup(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group",
		Short: "Create groups, list and change them",
		Args:  noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := usage("group needs a sub-command")
			e.Hint = "create, list, show, set, rename, fork or forget; `conclave group --help` says more"
			return e
		},
	}
	cmd.AddCommand(newGroupCreate(a), newGroupList(a), newGroupShow(a), newGroupSet(a), newGroupRename(a), newGroupFork(a), newGroupForget(a))
	return cmd
}

func newGroupCreate(a *app) *cobra.Command {
	var o node.CreateGroup
	cmd := command("create NAME [--plain] [--require-encryption] [--history none|all] [--max-age DUR] [--max-messages N] [--rotate-by any|deputies|owner]",
		"Create a group and its first key", 1, 1, nil)
	f := cmd.Flags()
	f.BoolVar(&o.Plain, "plain", false, "without encryption")
	f.BoolVar(&o.RequireE2EE, "require-encryption", false, "encryption can never be turned off")
	f.StringVar(&o.History, "history", "none", "what newcomers may read of what came before: none or all")
	f.DurationVar(&o.MaxAge, "max-age", 720*time.Hour, "a key older than this is due for replacement")
	f.Uint64Var(&o.MaxMessages, "max-messages", 0, "so is one that sealed this many messages; 0 for no limit")
	f.StringVar(&o.RotateBy, "rotate-by", "any", "who may replace the key: any, deputies or owner")
	cmd.RunE = runs(func(ctx context.Context, args []string) error {
		o.Name = args[0]
		return runGroupCreate(ctx, a, o)
	})
	return cmd
}

func runGroupCreate(ctx context.Context, a *app, o node.CreateGroup) error {
	if err := checkCreate(o); err != nil {
		return err
	}
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		g, err := c.CreateGroup(ctx, o)
		if err != nil {
			return err
		}
		return emit(a, g, showGroup)
	})
}

func checkCreate(o node.CreateGroup) error {
	if o.Plain && o.RequireE2EE {
		return usage("--plain and --require-encryption exclude each other")
	}
	if err := oneOf("--history", o.History, "none", "all"); err != nil {
		return err
	}
	if err := oneOf("--rotate-by", o.RotateBy, "any", "deputies", "owner"); err != nil {
		return err
	}
	return checkMaxAge(o.MaxAge)
}

func checkMaxAge(d time.Duration) error {
	if d < time.Second {
		return usage("--max-age begins at 1s")
	}
	return nil
}

// oneOf refuses a value that is not among the allowed ones.
func oneOf(what, value string, allowed ...string) error {
	for _, v := range allowed {
		if value == v {
			return nil
		}
	}
	e := usage("%s cannot be %q", what, value)
	e.Hint = "one of: " + list(allowed)
	return e
}

type groupListOptions struct {
	all bool
}

func newGroupList(a *app) *cobra.Command {
	var o groupListOptions
	cmd := command("list [--all]", "List the groups", 0, 0,
		func(ctx context.Context, _ []string) error { return runGroupList(ctx, a, o) })
	cmd.Flags().BoolVar(&o.all, "all", false, "also those that were left or closed")
	return cmd
}

func runGroupList(ctx context.Context, a *app, o groupListOptions) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		return emitAll(a, c.Groups(ctx, o.all), tableGroups,
			"no group yet; create one: conclave group create NAME; or ask to join one: conclave join PEER_ID")
	})
}

func tableGroups(w io.Writer, groups []node.GroupInfo) {
	for _, g := range groups {
		row(w, g.Title(), short(g.GroupID), words.Role(g.Role),
			words.Count(g.Members, "member", "members"), words.Sealed(g.E2EE), keyCell(g), words.Marked(g.Marked), words.Unread(g.Unread))
	}
}

// keyCell is empty where a group never had a key to speak of.
func keyCell(g node.GroupInfo) string {
	if !g.E2EE && g.Epoch == nil {
		return ""
	}
	return words.Key(g.Epoch)
}

// groupShown is a group with its owner, null when nobody owns it.
type groupShown struct {
	node.GroupInfo
	OwnerPeerID *string `json:"owner_peer_id"`
}

func shown(g node.GroupInfo) groupShown {
	out := groupShown{GroupInfo: g}
	if g.OwnerPeerID != "" {
		out.OwnerPeerID = &g.OwnerPeerID
	}
	return out
}

func newGroupShow(a *app) *cobra.Command {
	return command("show GROUP", "Show one group", 1, 1, func(ctx context.Context, args []string) error {
		return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
			g, err := c.Group(ctx, args[0])
			if err != nil {
				return err
			}
			return emit(a, shown(g), showShown)
		})
	})
}

func showShown(w io.Writer, g groupShown) {
	showGroup(w, g.GroupInfo)
	row(w, "kept here", words.Keep(g.Keep))
	showAlarms(w, g.Alarms)
}

func showGroup(w io.Writer, g node.GroupInfo) {
	row(w, "group", g.Title())
	row(w, "group id", g.GroupID)
	row(w, "role", words.Role(g.Role))
	row(w, "members", g.Members)
	if n := words.Unread(g.Unread); n != "" {
		row(w, "messages", n)
	}
	row(w, "encryption", words.Sealed(g.E2EE))
	if key := keyCell(g); key != "" {
		row(w, "key", key)
	}
	if due := words.Marked(g.Marked); due != "" {
		row(w, "marked", due)
	}
	if s := g.Settings; s != nil && g.E2EE {
		row(w, "history", words.History(s.History))
		row(w, "key life", words.KeyLife(s.MaxAge, s.MaxMessages))
		row(w, "replaced by", words.RotateBy(s.RotateBy))
	}
	if g.CatchingUp != nil {
		row(w, words.CatchingUp(g.CatchingUp.Done, g.CatchingUp.Total))
	}
	if g.OwnerPeerID != "" {
		row(w, "owner", g.OwnerPeerID)
	}
	if g.Join != nil {
		owner, id, _ := strings.Cut(*g.Join, "/")
		row(w, "others join with:")
		row(w, "conclave join "+words.Line(owner)+"/"+short(id))
	}
}

type groupSetOptions struct {
	group       string
	maxAge      *time.Duration
	maxMessages *uint64
}

func newGroupSet(a *app) *cobra.Command {
	var maxAge time.Duration
	var maxMessages uint64
	cmd := command("set GROUP [--max-age DUR] [--max-messages N]", "Change when a group's key is due for replacement (owner)", 1, 1, nil)
	f := cmd.Flags()
	f.DurationVar(&maxAge, "max-age", 0, "a key older than this is due; from 1s")
	f.Uint64Var(&maxMessages, "max-messages", 0, "so is one that sealed this many messages; 0 for no limit")
	cmd.RunE = runs(func(ctx context.Context, args []string) error {
		o := groupSetOptions{group: args[0]}
		if f.Changed("max-age") {
			o.maxAge = &maxAge
		}
		if f.Changed("max-messages") {
			o.maxMessages = &maxMessages
		}
		return runGroupSet(ctx, a, o)
	})
	return cmd
}

func runGroupSet(ctx context.Context, a *app, o groupSetOptions) error {
	if o.maxAge == nil && o.maxMessages == nil {
		return usage("group set needs --max-age or --max-messages")
	}
	if o.maxAge != nil {
		if err := checkMaxAge(*o.maxAge); err != nil {
			return err
		}
	}
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		g, err := c.SetGroup(ctx, o.group, node.SetGroup{MaxAge: o.maxAge, MaxMessages: o.maxMessages})
		if err != nil {
			return err
		}
		return emit(a, shown(g), showShown)
	})
}
