package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"conclave/node"
)

type accept struct {
	InviteID string `json:"invite_id"`
	Wait     bool   `json:"wait,omitempty" doc:"Return when the join is decided"`
}

// Join is the request behind `join`.
type Join struct {
	Peer  string `json:"peer" doc:"Who is asked: a full peer ID"`
	Group string `json:"group,omitempty" doc:"GROUP; without it, the only group that peer owns"`
	Note  string `json:"note,omitempty" doc:"A line for who decides"`
	Wait  bool   `json:"wait,omitempty" doc:"Return when the request is decided"`
}

type requestList struct {
	Paging
	Group string `query:"group" doc:"GROUP; without it, of all groups"`
}

type memberList struct {
	Paging
	GroupQuery
}

type linkAdd struct {
	Group string `json:"group" doc:"GROUP"`
	node.LinkOptions
}

type linkRevoke struct {
	Group    string `json:"group" doc:"GROUP"`
	InviteID string `json:"invite_id" doc:"The link's ID, or the begin of it"`
}

type linkList struct {
	Paging
	GroupQuery
}

func registerLinks(a huma.API, n *node.Node) {
	handle(a, http.MethodPost, "/v1/links", "createLink", "Make a link by which people come in; it is in this answer alone",
		func(ctx context.Context, in *body[linkAdd]) (node.Link, error) {
			return n.CreateLink(ctx, in.Body.Group, in.Body.LinkOptions)
		})
	handle(a, http.MethodGet, "/v1/links", "listLinks", "The links that were made to a group",
		func(ctx context.Context, in *linkList) (page[node.Link], error) {
			all, err := n.Links(ctx, in.Group)
			if err != nil {
				return page[node.Link]{}, err
			}
			return cut(all, in.Paging, func(l node.Link) string { return l.InviteID })
		})
	handle(a, http.MethodPost, "/v1/links/revoke", "revokeLink", "End a link",
		func(ctx context.Context, in *body[linkRevoke]) (node.Link, error) {
			return n.RevokeLink(ctx, in.Body.Group, in.Body.InviteID)
		})
}

func registerPeople(a huma.API, n *node.Node) {
	handle(a, http.MethodPost, "/v1/invite", "invite", "Invite a person; kept until that person appears",
		func(ctx context.Context, in *body[onPeer]) (node.Invite, error) {
			return n.Invite(ctx, in.Body.Group, in.Body.Peer)
		})
	handle(a, http.MethodGet, "/v1/invitations", "listInvitations", "Invitations received",
		func(ctx context.Context, in *Paging) (page[node.Invitation], error) {
			all, err := n.Invitations(ctx)
			if err != nil {
				return page[node.Invitation]{}, err
			}
			return cut(all, *in, func(i node.Invitation) string { return i.InviteID })
		})
	handle(a, http.MethodPost, "/v1/accept", "accept", "Accept an invitation",
		func(ctx context.Context, in *body[accept]) (node.JoinState, error) {
			return n.Accept(ctx, in.Body.InviteID, in.Body.Wait)
		})
	handle(a, http.MethodPost, "/v1/joins", "join", "Ask to join a group",
		func(ctx context.Context, in *body[Join]) (node.JoinState, error) {
			return n.Join(ctx, in.Body.Peer, in.Body.Group, in.Body.Note, in.Body.Wait)
		})
	handle(a, http.MethodGet, "/v1/joins", "listJoins", "Requests to join that this node made",
		func(ctx context.Context, in *Paging) (page[node.JoinState], error) {
			all, err := n.Joins(ctx)
			if err != nil {
				return page[node.JoinState]{}, err
			}
			return cut(all, *in, joinKey)
		})
	registerRequests(a, n)
	registerLinks(a, n)
	handle(a, http.MethodGet, "/v1/members", "listMembers", "The members of a group, oneself included",
		func(ctx context.Context, in *memberList) (page[node.Member], error) {
			all, err := n.Members(ctx, in.Group)
			if err != nil {
				return page[node.Member]{}, err
			}
			return cut(all, in.Paging, func(m node.Member) string { return m.PeerID })
		})
	handle(a, http.MethodGet, "/v1/outsiders", "listOutsiders", "Who is out of a group or banned from it, and whom this person has invited",
		func(ctx context.Context, in *memberList) (page[node.Outsider], error) {
			all, err := n.Outsiders(ctx, in.Group)
			if err != nil {
				return page[node.Outsider]{}, err
			}
			return cut(all, in.Paging, func(o node.Outsider) string { return o.PeerID })
		})
}

func registerRequests(a huma.API, n *node.Node) {
	handle(a, http.MethodGet, "/v1/requests", "listRequests", "Requests to join that wait for an answer",
		func(ctx context.Context, in *requestList) (page[node.Request], error) {
			all, err := n.Requests(ctx, in.Group)
			if err != nil {
				return page[node.Request]{}, err
			}
			return cut(all, in.Paging, func(r node.Request) string { return r.GroupID + "/" + r.PeerID })
		})
	handle(a, http.MethodPost, "/v1/approve", "approve", "Admit who asked",
		func(ctx context.Context, in *body[onPeer]) (node.Request, error) {
			return n.Approve(ctx, in.Body.Group, in.Body.Peer)
		})
	handle(a, http.MethodPost, "/v1/decline", "decline", "Turn a request down",
		func(ctx context.Context, in *body[onPeer]) (node.Request, error) {
			return n.Decline(ctx, in.Body.Group, in.Body.Peer)
		})
}

func joinKey(j node.JoinState) string {
	if j.GroupID == nil {
		return j.PeerID
	}
	return *j.GroupID + "/" + j.PeerID
}
