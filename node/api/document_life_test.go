package api

import "testing"

// life uses the operations of everyday life, after all that was said.
func life(t *testing.T, ann *Client) {
	t.Helper()
	ctx := t.Context()
	_, err := ann.SetName(ctx, "ann")
	must(t, err)
	p, err := ann.Profile(ctx)
	must(t, err)
	if p.Name == nil || *p.Name != "ann" {
		t.Errorf("%+v", p)
	}
}
