package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"conclave/node"
)

type evidenceQuery struct {
	GroupQuery
	Peer string `query:"peer" doc:"PEER; without it, of everyone"`
}

type proofQuery struct {
	GroupQuery
	Peer string `query:"peer" required:"true" doc:"PEER"`
}

func registerEvidence(a huma.API, n *node.Node) {
	handle(a, http.MethodGet, "/v1/evidence", "evidence", "The proofs that somebody signed two different things under one number, as one file",
		func(ctx context.Context, in *evidenceQuery) (node.Evidence, error) {
			return n.Evidence(ctx, in.Group, in.Peer)
		})
	handle(a, http.MethodGet, "/v1/proof", "proveRemoval", "That somebody is out, and which keys were made without that person since, as a file",
		func(ctx context.Context, in *proofQuery) (node.Proof, error) {
			return n.ProveRemoval(ctx, in.Group, in.Peer)
		})
}

// Evidence collects the proofs of a group; peer may be empty.
func (c *Client) Evidence(ctx context.Context, group, peer string) (node.Evidence, error) {
	return get[node.Evidence](ctx, c, "/v1/evidence", url.Values{"group": {group}, "peer": {peer}})
}

// ProveRemoval collects the proof that somebody is out of a group.
func (c *Client) ProveRemoval(ctx context.Context, group, peer string) (node.Proof, error) {
	return get[node.Proof](ctx, c, "/v1/proof", url.Values{"group": {group}, "peer": {peer}})
}
