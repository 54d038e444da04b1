package api

import "context"

// Stop asks the node to end; it goes on to answer for a moment.
func (c *Client) Stop(ctx context.Context) (Stopping, error) {
	return post[Stopping](ctx, c, "/v1/stop", nil)
}
