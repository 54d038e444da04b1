package api

import (
	"fmt"
	"strconv"
	"strings"

	"conclave/node"
)

// page is one part of a list. Next, where there is more, is what to ask for
// as `after`; it is null on the last page. A stream of events after Events tells
// whatever is not in the page yet: what came while it was read may be in both.
type page[T any] struct {
	Items  []T     `json:"items"`
	Next   *string `json:"next"`
	Events uint64  `json:"events" doc:"The event ID from which a stream goes on where this list ends"`
}

// asOf notes where the node's events stood before the list was read.
func (p *page[T]) asOf(position uint64) { p.Events = position }

// Paging is the part of a list's input that all lists share. It is exported
// because huma fills embedded structs only then.
type Paging struct {
	After string `query:"after" maxLength:"512" doc:"The next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"1000" doc:"Items in a page"`
}

// cut returns the page of all that p asks for. A position is the index and the
// key of the last item handed out: the key still finds its place after the
// list has changed, and the index stands in where that item is gone.
func cut[T any](all []T, p Paging, key func(T) string) (page[T], error) {
	start, err := position(all, p.After, key)
	if err != nil {
		return page[T]{}, err
	}
	end := min(start+p.Limit, len(all))
	out := page[T]{Items: append([]T{}, all[start:end]...)}
	if end < len(all) {
		next := fmt.Sprintf("%d.%s", end-1, key(all[end-1]))
		out.Next = &next
	}
	return out, nil
}

func position[T any](all []T, after string, key func(T) string) (int, error) {
	if after == "" {
		return 0, nil
	}
	index, last, _ := strings.Cut(after, ".")
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 {
		return 0, &node.Error{Kind: node.KindUsage, Message: "after is not the next of a page"}
	}
	if i < len(all) && key(all[i]) == last {
		return i + 1, nil
	}
	for j, item := range all {
		if key(item) == last {
			return j + 1, nil
		}
	}
	return min(i, len(all)), nil
}
