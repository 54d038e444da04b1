package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"conclave/node"
)

type encryptionMode struct {
	Group string `json:"group" doc:"GROUP"`
	Mode  string `json:"mode" enum:"on,off,accept"`
}

type keyList struct {
	Paging
	GroupQuery
}

type verifyQuery struct {
	Ref string `query:"ref" required:"true" doc:"PEER or GROUP"`
}

type mark struct {
	Ref string `json:"ref" doc:"PEER or GROUP"`
}

func registerKeys(a huma.API, n *node.Node) {
	handle(a, http.MethodPost, "/v1/rotate", "rotate", "Replace the room key; returns when the new epoch is durable",
		func(ctx context.Context, in *body[onGroup]) (node.Rotation, error) {
			return n.Rotate(ctx, in.Body.Group)
		})
	handle(a, http.MethodPost, "/v1/encryption", "encryption", "Turn encryption on or off (owner), or accept that it is off",
		func(ctx context.Context, in *body[encryptionMode]) (node.Encryption, error) {
			return n.Encryption(ctx, in.Body.Group, in.Body.Mode)
		})
	handle(a, http.MethodGet, "/v1/keys", "listKeys", "The epochs of a group, oldest first",
		func(ctx context.Context, in *keyList) (page[node.Key], error) {
			all, err := n.Keys(ctx, in.Group)
			if err != nil {
				return page[node.Key]{}, err
			}
			for i := range all {
				all[i].Holders, all[i].Missing = list(all[i].Holders), list(all[i].Missing)
			}
			return cut(all, in.Paging, func(k node.Key) string { return k.EID })
		})
	handle(a, http.MethodGet, "/v1/verification", "verify", "The safety number with a person or of a group",
		func(ctx context.Context, in *verifyQuery) (node.Verification, error) {
			return n.Verify(ctx, in.Ref, false)
		})
	handle(a, http.MethodPost, "/v1/verification", "markVerified", "Remember that the safety numbers were compared",
		func(ctx context.Context, in *body[mark]) (node.Verification, error) {
			return n.Verify(ctx, in.Body.Ref, true)
		})
}
