package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

	"conclave/node"
)

type eventQuery struct {
	After       uint64 `query:"after" doc:"Events after this ID; without it, those to come"`
	LastEventID uint64 `header:"Last-Event-ID" doc:"The same, as a reconnecting event source sends it"`
}

// ready is the first event of a stream: from here on nothing is missed. Its ID is
// where the stream begins.
type ready struct {
	After uint64 `json:"after"`
}

// registerEvents streams the node's events. A client that takes longer than
// sse.WriteTimeout over one event, or falls too far behind, loses the connection,
// and comes back with the last ID it has; so it does when the node was started
// again.
func registerEvents(a huma.API, n *node.Node) {
	op := operation(a, http.MethodGet, "/v1/events", "events",
		"What happens, as server-sent events with integer IDs: whoever comes back with the last one misses no line and gets none twice. "+
			"A group event says to read again what is shown of it, a reset event to read everything again")
	types := map[string]any{"message": node.Event{}, "ready": ready{}, "problem": problem{}}
	sse.Register(a, op, types, func(ctx context.Context, in *eventQuery, send sse.Sender) {
		after := max(in.After, in.LastEventID)
		begin := after
		if begin == 0 {
			begin = n.Position()
		}
		events, err := n.Events(ctx, after)
		if err != nil {
			send.Data(problemOf(err))
			return
		}
		if send(sse.Message{ID: int(begin), Data: ready{After: begin}}) != nil {
			return
		}
		for e := range events {
			if send(sse.Message{ID: int(e.ID), Data: e}) != nil {
				return
			}
		}
	})
}
