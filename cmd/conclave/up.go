package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"conclave/node"
	"conclave/node/api"
)

// stopWithin is how long an ordered end may take; the contract says 5 s.
const stopWithin = 4500 * time.Millisecond

type upOptions struct {
	listen []string
	peers  []string
	lan    bool
	noMDNS bool
	log    loggerOptions
}

func newUp(a *app) *cobra.Command {
	var o upOptions
	cmd := command("up [--listen MA]... [--peer MA/p2p/ID]... [--lan] [--no-mdns] [--web[=ADDR]] [--log-level LEVEL] [--log-format text|json]", "Run the node", 0, 0,
		func(ctx context.Context, _ []string) error { return runUp(ctx, a, o) })
	f := cmd.Flags()
	o.nodeFlags(f)
	f.StringVar(&a.page, "web", "", "keep the page for a browser open at this loopback address; without one, at any port")
	f.Lookup("web").NoOptDefVal = anyPort
	f.StringVar(&o.log.level, "log-level", "info", "what is logged to stderr: debug, info, warn or error, and what is worse")
	f.StringVar(&o.log.format, "log-format", "", "how: text or json (default text; json with --json)")
	completeFlag(cmd, "log-level", "debug", "info", "warn", "error")
	completeFlag(cmd, "log-format", "text", "json")
	return cmd
}

// nodeFlags are those of every command that runs a node.
func (o *upOptions) nodeFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.listen, "listen", nil, "listen on this multiaddr (default all addresses, TCP and QUIC)")
	f.StringArrayVar(&o.peers, "peer", nil, "stay connected to this peer: multiaddr/p2p/PEER_ID")
	f.BoolVar(&o.lan, "lan", false, "dial private and loopback addresses only")
	f.BoolVar(&o.noMDNS, "no-mdns", false, "do not look for nodes on the local network, nor be seen there")
}

// runUp runs the node until ctx ends, which is no error: it is how a node is
// stopped.
func runUp(ctx context.Context, a *app, o upOptions) error {
	logger, err := a.loggerWith(o.log)
	if err != nil {
		return err
	}
	n, err := node.Open(node.Config{
		Home: a.home, Listen: o.listen, Peers: o.peers, LAN: o.lan, NoMDNS: o.noMDNS, Logger: logger,
	})
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // to read long logs takes several times what is kept of them
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(stopWithin, a.giveUp) })
	defer stop()
	return a.serveNode(ctx, n)
}

// serveNode runs the network and the API. The API begins when the node's
// addresses are known and ends before the node does, so that no command ever
// meets a node that is half there.
func (a *app) serveNode(ctx context.Context, n *node.Node) error {
	network, stopNetwork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopNetwork()
	ran := make(chan error, 1)
	go func() { ran <- n.Run(network) }()

	doors, closeDoors := context.WithCancel(ctx)
	defer closeDoors()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-n.StopAsked():
			late := time.AfterFunc(stopWithin, a.giveUp)
			closeDoors()
			<-ended
			late.Stop() // whoever runs the node may go on without it
		case <-doors.Done():
		}
	}()
	served := make(chan error, 1)
	go func() { served <- a.openDoors(doors, n) }()

	select {
	case err := <-ran:
		closeDoors()
		<-served
		return err
	case err := <-served:
		stopNetwork()
		if stopped := <-ran; err == nil {
			err = stopped
		}
		return err
	}
}

// openDoors answers on the socket once the node is ready, and says so, and on the
// page where somebody wants it. It ends with ctx, or when nobody can be told.
func (a *app) openDoors(ctx context.Context, n *node.Node) error {
	ctx, cancel := context.WithCancel(ctx)
	logger := log.New(a.stderr, "conclave: ", 0)
	page := &pageDoor{ctx: ctx, api: api.Handler(n), logger: logger}
	defer page.wait()
	defer cancel()
	if err := page.open(a.page); err != nil {
		return err
	}
	server, err := api.Listen(a.home, n, page.link, logger)
	if err != nil {
		return err
	}
	select {
	case <-n.Ready():
	case <-ctx.Done():
		return server.Run(ctx)
	}
	told := make(chan error, 1)
	go func() {
		err := a.announce(ctx, n)
		if err != nil {
			cancel()
		}
		told <- err
	}()
	err = server.Run(ctx)
	cancel()
	return errors.Join(err, <-told)
}

// ready is the first line of stdout.
type ready struct {
	PeerID string   `json:"peer_id"`
	Addrs  []string `json:"addrs"`
}

// announce says that the node is up and then, where a person watches, what wants
// an answer.
func (a *app) announce(ctx context.Context, n *node.Node) error {
	s, err := n.Status(ctx)
	if err != nil {
		return err
	}
	if s.Addrs == nil {
		s.Addrs = []string{}
	}
	err = emit(a, ready{s.PeerID, s.Addrs}, func(w io.Writer, r ready) {
		fmt.Fprintln(w, r.PeerID, strings.Join(r.Addrs, " "))
	})
	if err == nil && !a.json && isTerminal(a.stderr) {
		a.watch(ctx, n)
	}
	return err
}

// giveUp ends a process whose ordered end takes too long. What was
// acknowledged is on disk since before it was acknowledged.
func (a *app) giveUp() {
	fmt.Fprintln(a.stderr, "conclave: the node did not stop in time; ended it")
	os.Exit(0)
}
