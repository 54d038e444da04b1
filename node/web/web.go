// Package web is the node's door for a browser on the same machine: the page,
// embedded in the program, and the local API behind it. It listens on loopback
// alone, and only when somebody asks for it.
//
// Whoever opens a one-time link gets a session of two halves: a cookie that no
// script can read, and a word that only pages of this very origin can. A browser
// sends cookies to every port of a host, and scripts read what a page keeps: one
// half alone opens nothing.
package web

import (
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/time/rate"

	"conclave/keys"
	"conclave/node/api"
)

const (
	linkLife    = 2 * time.Minute  // of a link that nobody has opened
	sessionLife = 12 * time.Hour   // since it was last used
	tries       = 5                // wrong secrets at once, and one a second after them
	maxLinks    = 16               // that wait to be opened
	maxSessions = 16               // the one that was used least goes first
	maxConns    = 64               // at once, event streams included
	pageWait    = 10 * time.Second // for a file of the page
)

// ErrAddress: not an address that a page may be at.
var ErrAddress = errors.New("the page is for this machine alone: give a loopback address and a port, like 127.0.0.1:7777")

// secret is 256 random bits in hex.
type secret string

// Door is a listening page. Its methods are safe for concurrent use.
type Door struct {
	*api.Server
	hosts  []string // that a request may name
	cookie string   // its name: cookies of one host are shared by its ports
	now    func() time.Time
	wrong  *rate.Limiter

	mu       sync.Mutex
	links    map[secret]time.Time // until when
	sessions map[secret]*session  // by their cookie
}

type session struct {
	word secret
	used time.Time
}

// Open listens on addr, which is a loopback address and a port, 0 for any, and
// stands before handler, the API. Nothing is answered before Run.
func Open(addr string, handler http.Handler, logger *log.Logger) (*Door, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		return nil, ErrAddress
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	d := &Door{
		hosts:    []string{net.JoinHostPort(host, port), net.JoinHostPort("localhost", port)},
		cookie:   "conclave-" + port,
		now:      time.Now,
		wrong:    rate.NewLimiter(1, tries),
		links:    map[secret]time.Time{},
		sessions: map[secret]*session{},
	}
	d.Server = api.NewServer(netutil.LimitListener(l, maxConns), d.guard(d.routes(handler)), logger)
	return d, nil
}

// URL is where the page is.
func (d *Door) URL() string { return "http://" + d.hosts[0] + "/" }

// Link makes a link that opens the page once, within linkLife. What opens it
// stands behind the #, which browsers send to nobody.
func (d *Door) Link() (string, error) {
	s, err := newSecret()
	if err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for l, end := range d.links {
		if !d.now().Before(end) || len(d.links) >= maxLinks {
			delete(d.links, l)
		}
	}
	d.links[s] = d.now().Add(linkLife)
	return d.URL() + "#" + string(s), nil
}

func newSecret() (secret, error) {
	e, err := keys.NewEntropy()
	return secret(keys.Hash(e).String()), err
}
