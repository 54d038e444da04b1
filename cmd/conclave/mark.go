package main

import "conclave/node"

// marker tells the node what a person has read: the last line of every flush, one
// call at a time. Where more is flushed meanwhile, the next call is for all of it.
type marker struct {
	last  string      // cursor of the last line that was printed
	next  chan string // has room for one
	ended chan struct{}
}

func newMarker(read func(cursor string)) *marker {
	m := &marker{next: make(chan string, 1), ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		for c := range m.next {
			read(c)
		}
	}()
	return m
}

// printed notes a line. What is missing or held has no place of its own.
func (m *marker) printed(l node.LogLine) {
	if l.Cursor != node.EndCursor {
		m.last = l.Cursor
	}
}

// flushed has the node told.
func (m *marker) flushed() {
	if m.last == "" {
		return
	}
	select {
	case <-m.next:
	default:
	}
	m.next <- m.last
	m.last = ""
}

// close returns once the node was told of everything.
func (m *marker) close() {
	close(m.next)
	<-m.ended
}
