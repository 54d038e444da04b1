package main

import (
	"context"

	"conclave/node/api"
)

func (a *app) followLog(ctx context.Context, c *api.Client, o logOptions) error {
	return nil
}
