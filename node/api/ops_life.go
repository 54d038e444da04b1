package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"conclave/node"
)

// Stopping answers the request to stop: the node ends once the answer is out.
type Stopping struct {
	PeerID string `json:"peer_id"`
	State  string `json:"state" doc:"stopping"`
}

type setName struct {
	Name string `json:"name" doc:"1 to 64 bytes"`
}

type withdrawJoin struct {
	Peer  string `json:"peer" doc:"Who was asked: a full peer ID"`
	Group string `json:"group,omitempty" doc:"GROUP; without it, the only open request to that peer"`
}

// registerLife has the operations of a node's everyday life.
func registerLife(a huma.API, n *node.Node) {
	handle(a, http.MethodPost, "/v1/stop", "stop", "End the node, in order, once this is answered",
		func(_ context.Context, _ *nothing) (Stopping, error) {
			n.Stop()
			return Stopping{PeerID: n.ID().PeerID, State: "stopping"}, nil
		})
	handle(a, http.MethodGet, "/v1/profile", "profile", "What this person is called",
		func(ctx context.Context, _ *nothing) (node.Profile, error) { return n.Profile(ctx) })
	handle(a, http.MethodPut, "/v1/profile", "setName", "Say what this person is called, in all groups",
		func(ctx context.Context, in *body[setName]) (node.Profile, error) {
			return n.SetName(ctx, in.Body.Name)
		})
	handle(a, http.MethodGet, "/v1/nearby", "listNearby", "The nodes that mDNS has found on the local network",
		func(ctx context.Context, in *Paging) (page[node.Nearby], error) {
			all, err := n.Nearby(ctx)
			if err != nil {
				return page[node.Nearby]{}, err
			}
			return cut(all, *in, func(p node.Nearby) string { return p.PeerID })
		})
	handle(a, http.MethodPost, "/v1/invite/withdraw", "withdrawInvite", "Take an invitation back",
		func(ctx context.Context, in *body[onPeer]) (node.Invite, error) {
			return n.WithdrawInvite(ctx, in.Body.Group, in.Body.Peer)
		})
	handle(a, http.MethodPost, "/v1/joins/withdraw", "withdrawJoin", "Take a request to join back",
		func(ctx context.Context, in *body[withdrawJoin]) (node.JoinState, error) {
			return n.WithdrawJoin(ctx, in.Body.Peer, in.Body.Group)
		})
	handle(a, http.MethodPost, "/v1/forget", "forgetGroup", "Erase a group here that one is not in any more, from the files too",
		func(ctx context.Context, in *body[onGroup]) (node.Forgotten, error) {
			return n.Forget(ctx, in.Body.Group)
		})
}
