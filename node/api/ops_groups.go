package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"conclave/node"
)

// GroupQuery names a group in a query.
type GroupQuery struct {
	Group string `query:"group" required:"true" doc:"GROUP"`
}

type groupList struct {
	Paging
	All bool `query:"all" doc:"Also the groups that were left or closed"`
}

type settings struct {
	Group string `json:"group" doc:"GROUP"`
	node.SetGroup
}

type leave struct {
	Group   string `json:"group" doc:"GROUP"`
	Abandon bool   `json:"abandon,omitempty" doc:"An owner leaves the others without one"`
}

// onGroup is the body of an operation that needs a group and nothing else.
type onGroup struct {
	Group string `json:"group" doc:"GROUP"`
}

// onPeer is the body of an operation on one person of a group.
type onPeer struct {
	Group string `json:"group" doc:"GROUP"`
	Peer  string `json:"peer" doc:"PEER"`
}

type forkGroup struct {
	Group string `json:"group" doc:"GROUP"`
	Name  string `json:"name,omitempty" doc:"Of the new group; without it, the old one's with a number"`
}

type deputyAdd struct {
	Group string   `json:"group" doc:"GROUP"`
	Peer  string   `json:"peer" doc:"PEER"`
	Can   []string `json:"can" doc:"approve, kick, rotate, invite"`
}

func registerGroups(a huma.API, n *node.Node) {
	handle(a, http.MethodGet, "/v1/status", "status", "The node itself",
		func(ctx context.Context, _ *nothing) (node.Status, error) {
			s, err := n.Status(ctx)
			s.Addrs = list(s.Addrs)
			return s, err
		})
	handle(a, http.MethodGet, "/v1/doctor", "doctor", "What is wrong with the node, and what to do, worst first",
		func(ctx context.Context, in *Paging) (page[node.Finding], error) {
			all, err := n.Doctor(ctx)
			if err != nil {
				return page[node.Finding]{}, err
			}
			return cut(all, *in, func(f node.Finding) string { return f.Check + " " + f.Says })
		})
	handle(a, http.MethodPost, "/v1/groups", "createGroup", "Create a group",
		func(ctx context.Context, in *body[node.CreateGroup]) (node.GroupInfo, error) {
			return n.CreateGroup(ctx, in.Body)
		})
	handle(a, http.MethodGet, "/v1/groups", "listGroups", "The groups",
		func(ctx context.Context, in *groupList) (page[node.GroupInfo], error) {
			all, err := n.Groups(ctx, in.All)
			if err != nil {
				return page[node.GroupInfo]{}, err
			}
			return cut(all, in.Paging, func(g node.GroupInfo) string { return g.GroupID })
		})
	handle(a, http.MethodGet, "/v1/group", "showGroup", "One group",
		func(ctx context.Context, in *GroupQuery) (node.GroupInfo, error) { return n.Group(ctx, in.Group) })
	handle(a, http.MethodPatch, "/v1/group", "setGroup", "Change a group's settings (owner)",
		func(ctx context.Context, in *body[settings]) (node.GroupInfo, error) {
			return n.SetGroup(ctx, in.Body.Group, in.Body.SetGroup)
		})
	registerMembership(a, n)
}

func registerMembership(a huma.API, n *node.Node) {
	handle(a, http.MethodPost, "/v1/leave", "leave", "Leave a group",
		func(ctx context.Context, in *body[leave]) (node.Change, error) {
			return n.Leave(ctx, in.Body.Group, in.Body.Abandon)
		})
	handle(a, http.MethodPost, "/v1/deputies", "addDeputy", "Let a member act for the owner; given again it replaces what was given before (owner)",
		func(ctx context.Context, in *body[deputyAdd]) (node.Deputy, error) {
			return n.AddDeputy(ctx, in.Body.Group, in.Body.Peer, in.Body.Can)
		})
	handle(a, http.MethodPost, "/v1/deputies/remove", "removeDeputy", "Take that back (owner)",
		func(ctx context.Context, in *body[onPeer]) (node.Deputy, error) {
			return n.RemoveDeputy(ctx, in.Body.Group, in.Body.Peer)
		})
	handle(a, http.MethodPost, "/v1/transfer", "transfer", "Make a member the owner who has accepted (owner)",
		func(ctx context.Context, in *body[onPeer]) (node.Handover, error) {
			return n.Transfer(ctx, in.Body.Group, in.Body.Peer)
		})
	handle(a, http.MethodPost, "/v1/transfer/accept", "acceptTransfer", "Be ready to take a group over",
		func(ctx context.Context, in *body[onGroup]) (node.Handover, error) {
			return n.TakeOver(ctx, in.Body.Group)
		})
	handle(a, http.MethodPost, "/v1/fork", "forkGroup", "Begin a new group in the place of one, with everyone invited",
		func(ctx context.Context, in *body[forkGroup]) (node.Fork, error) {
			return n.Fork(ctx, in.Body.Group, in.Body.Name)
		})
	changes := []struct {
		name, summary string
		do            func(ctx context.Context, group, peer string) (node.Change, error)
	}{
		{"kick", "Remove a member; returns with the new epoch minted", n.Kick},
		{"ban", "Remove a person for good; returns with the new epoch minted", n.Ban},
		{"unban", "Allow a banned person to be admitted again", n.Unban},
	}
	for _, c := range changes {
		handle(a, http.MethodPost, "/v1/"+c.name, c.name, c.summary,
			func(ctx context.Context, in *body[onPeer]) (node.Change, error) {
				return c.do(ctx, in.Body.Group, in.Body.Peer)
			})
	}
}

// list makes an absent list an empty one: arrays are never null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
