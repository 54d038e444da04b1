// Package api is the node's local door: JSON over HTTP on a Unix socket that
// only the node's own user can reach. The commands, the terminal screen and
// bots all use it, through Client or by the OpenAPI document at
// /v1/openapi.json. Reads are GET, everything that changes something is not;
// lists come in pages; events come as server-sent events.
package api

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"conclave/node"
)

const (
	headerTimeout = 5 * time.Second  // for all header lines of a request
	bodyTimeout   = 5 * time.Second  // for its body
	writeTimeout  = 10 * time.Second // for a client that does not read its answer
	idleTimeout   = time.Minute      // between two requests
	stopTimeout   = 2 * time.Second  // for answers under way when the node stops

	maxHeader = 16 << 10 // bytes
	maxBody   = 2 << 20  // bytes; holds any batch of texts that Client sends
	maxConns  = 128      // at once, followers included
)

// Server answers on one listener.
type Server struct {
	http     *http.Server
	listener net.Listener
}

// Listen binds the socket of the home that n has open; the lock that n holds
// on it is what allows a stale socket to be removed. page may be nil. Nothing is answered
// before Run. What goes wrong inside a request is written to logger.
func Listen(home string, n *node.Node, page OpenPage, logger *log.Logger) (*Server, error) {
	l, err := listen(home)
	if err != nil {
		return nil, err
	}
	return NewServer(netutil.LimitListener(l, maxConns), newHandler(n, page), logger), nil
}

// NewServer answers on a listener, within the time and sizes of the API; how many
// connections there are at once is the listener's to limit.
func NewServer(l net.Listener, h http.Handler, logger *log.Logger) *Server {
	return &Server{
		http: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: headerTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          logger,
		},
		listener: l,
	}
}

// Run answers until ctx ends, then ends what waits and removes the socket. A
// server runs once.
func (s *Server) Run(ctx context.Context) error {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := s.http.Shutdown(grace); err != nil {
		s.http.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// in returns the moment d from now, for the deadlines of connections.
func in(d time.Duration) time.Time { return time.Now().Add(d) }
