package api

import (
	"context"
	"iter"
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

type messageQuery struct {
	Paging
	GroupQuery
	MessageID string `query:"message_id" required:"true" doc:"As the log names it"`
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
	handle(a, http.MethodGet, "/v1/message", "message", "A message, and who could read it; more than one only where several people gave theirs one ID",
		func(ctx context.Context, in *messageQuery) (page[node.MessageInfo], error) {
			all, err := n.Message(ctx, in.Group, in.MessageID)
			if err != nil {
				return page[node.MessageInfo]{}, err
			}
			return cut(all, in.Paging, func(m node.MessageInfo) string { return m.Sender })
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

// Message shows a message and who could read it.
func (c *Client) Message(ctx context.Context, group, id string) iter.Seq2[node.MessageInfo, error] {
	return pages[node.MessageInfo](ctx, c, "/v1/message", url.Values{"group": {group}, "message_id": {id}})
}
