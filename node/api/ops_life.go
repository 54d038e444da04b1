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

// registerLife has the operations of a node's everyday life.
func registerLife(a huma.API, n *node.Node) {
	handle(a, http.MethodPost, "/v1/stop", "stop", "End the node, in order, once this is answered",
		func(_ context.Context, _ *nothing) (Stopping, error) {
			n.Stop()
			return Stopping{PeerID: n.ID().PeerID, State: "stopping"}, nil
		})
}
