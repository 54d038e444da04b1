package api

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"conclave/node"
)

// Stop asks the node to end; it goes on to answer for a moment.
func (c *Client) Stop(ctx context.Context) (Stopping, error) {
	return post[Stopping](ctx, c, "/v1/stop", nil)
}

func (c *Client) Profile(ctx context.Context) (node.Profile, error) {
	return get[node.Profile](ctx, c, "/v1/profile", nil)
}

func (c *Client) SetName(ctx context.Context, name string) (node.Profile, error) {
	return call[node.Profile](ctx, c, http.MethodPut, "/v1/profile", setName{name})
}

func (c *Client) Nearby(ctx context.Context) iter.Seq2[node.Nearby, error] {
	return pages[node.Nearby](ctx, c, "/v1/nearby", url.Values{})
}

func (c *Client) WithdrawInvite(ctx context.Context, group, peer string) (node.Invite, error) {
	return post[node.Invite](ctx, c, "/v1/invite/withdraw", onPeer{group, peer})
}

func (c *Client) WithdrawJoin(ctx context.Context, peer, group string) (node.JoinState, error) {
	return post[node.JoinState](ctx, c, "/v1/joins/withdraw", withdrawJoin{peer, group})
}

func (c *Client) Forget(ctx context.Context, group string) (node.Forgotten, error) {
	return post[node.Forgotten](ctx, c, "/v1/forget", onGroup{group})
}
