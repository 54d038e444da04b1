package api

import (
	"context"
	"net/http"

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
