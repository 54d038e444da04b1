package node

import (
	"context"
	"slices"

	"conclave/node/store"
)

// linesBefore returns the last lines before a cursor, oldest first, up to limit.
func (r *room) linesBefore(ctx context.Context, before string, limit int) ([]LogLine, error) {
	key, item, err := splitCursor(before)
	if err != nil {
		return nil, err
	}
	out := []LogLine{}
	for rec, err := range r.disk.space.Scan(store.Query{Prefix: "/o", From: key, Reverse: true}) {
		if err != nil && rec.Key == "" {
			return nil, diskError(err)
		}
		lines, err := r.linesOf(ctx, rec.Key)
		if err != nil {
			return nil, err
		}
		if rec.Key == key {
			lines = lines[:min(item, len(lines))]
		}
		slices.Reverse(lines)
		if out = append(out, lines...); len(out) >= limit {
			break
		}
	}
	out = out[:min(len(out), limit)]
	slices.Reverse(out)
	return out, nil
}
