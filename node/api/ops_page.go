package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"conclave/node"
)

// OpenPage opens the page for a browser, where it is not open yet, and returns a
// link to it that works once.
type OpenPage func(context.Context) (link string, err error)

// Page answers `web`.
type Page struct {
	Link string `json:"link" doc:"Works once, for two minutes"`
}

func registerPage(a huma.API, open OpenPage) {
	handle(a, http.MethodPost, "/v1/page", "openPage", "Open the page for a browser on this machine, and make a link to it",
		func(ctx context.Context, _ *nothing) (Page, error) {
			if open == nil {
				return Page{}, &node.Error{Kind: node.NotAllowed, Message: "this node has no page"}
			}
			link, err := open(ctx)
			return Page{Link: link}, err
		})
}

// Handler is the whole API, for a door that guards it by itself.
func Handler(n *node.Node) http.Handler { return newHandler(n, nil) }

// OpenPage asks for a link to the node's page.
func (c *Client) OpenPage(ctx context.Context) (Page, error) {
	return post[Page](ctx, c, "/v1/page", nil)
}
