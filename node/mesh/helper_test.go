package mesh

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"conclave/keys"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
)

// helper plays the part that the environment names, with the arguments after
// "--", until standard input ends. It reports whether there was one.
func helper() bool {
	var args []string
	for i, a := range os.Args {
		if a == "--" {
			args = os.Args[i+1:]
			break
		}
	}
	switch os.Getenv(helperEnv) {
	case "":
		return false
	case "node":
		helpNode(args)
	case "observer":
		helpObserver()
	case "halfopen":
		helpHalfOpen(args[0], args[1:])
	case "crowd":
		helpCrowd(args[0])
	}
	return true
}

func must(err error) {
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

// helpNode is a node. Arguments: seed byte, port, mdns or quiet or mute, listen IP.
// A mute one says nothing that nobody asked for: left to itself a connection of it,
// which is TCP, never ends.
func helpNode(args []string) {
	var seed keys.Secret
	seed[0] = args[0][0]
	cfg := Config{Identity: keys.IdentityFromSeed(seed), MDNS: args[2] == "mdns",
		Listen: []string{"/ip4/" + args[3] + "/tcp/" + args[1], "/ip4/" + args[3] + "/udp/" + args[1] + "/quic-v1"}}
	if args[2] == "mute" {
		yamux.DefaultTransport.EnableKeepAlive = false
		cfg.Listen = cfg.Listen[:1]
	}
	m, err := New(context.Background(), cfg)
	must(err)
	defer m.Close()
	fmt.Println("id", m.ID())
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			lines <- s.Text()
		}
	}()
	for {
		select {
		case ev := <-m.Events():
			fmt.Println(map[bool]string{true: "up", false: "down"}[ev.Connected], ev.Peer)
		case line, ok := <-lines:
			if !ok {
				return
			}
			answer(m, line)
		}
	}
}

func answer(m *Mesh, line string) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "conns":
		fmt.Println("conns", len(m.host.Network().Conns()))
	case "mdns":
		fmt.Println("mdns", m.MDNSErr())
	case "rss":
		status, err := os.ReadFile("/proc/self/status")
		must(err)
		_, after, _ := strings.Cut(string(status), "VmRSS:")
		fmt.Println("rss", strings.Fields(after)[0])
	case "remember": // remember PEER ADDR
		id, addr, _ := strings.Cut(rest, " ")
		p, err := keys.ParsePeerID(id)
		must(err)
		must(m.Remember(p, addr))
		fmt.Println("remember", p)
	case "dial": // dial PEER ADDR
		id, addr, _ := strings.Cut(rest, " ")
		p, err := keys.ParsePeerID(id)
		must(err)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		began := time.Now()
		err = m.Connect(ctx, p, addr)
		fmt.Println("dial", err, time.Since(began))
	}
}

// helpObserver prints what multicast DNS on eth0 tells everybody.
func helpObserver() {
	c, err := net.ListenPacket("udp4", "224.0.0.251:5353")
	must(err)
	eth, err := net.InterfaceByName("eth0")
	must(err)
	must(ipv4.NewPacketConn(c).JoinGroup(eth, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251)}))
	fmt.Println("listening 1")
	go func() {
		b := make([]byte, 9000)
		for {
			n, from, err := c.ReadFrom(b)
			must(err)
			var msg dnsmessage.Message
			must(msg.Unpack(b[:n]))
			for _, q := range msg.Questions {
				fmt.Println("packet", from, "question", q.Name, q.Type)
			}
			for _, r := range append(append(msg.Answers, msg.Additionals...), msg.Authorities...) {
				if txt, ok := r.Body.(*dnsmessage.TXTResource); ok {
					fmt.Println("packet", from, "text", r.Header.Name, strings.Join(txt.TXT, " "))
				} else {
					fmt.Println("packet", from, r.Header.Type, r.Header.Name, r.Body.GoString())
				}
			}
		}
	}()
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		fmt.Println(s.Text(), "1") // everything before has been printed
	}
}

// helpHalfOpen opens 1,000 TCP connections, from each of its addresses in turn,
// and never says a word on them.
func helpHalfOpen(to string, from []string) {
	var open []net.Conn
	for i := range 1000 {
		d := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from[i%len(from)])}}
		if c, err := d.Dial("tcp", to); err == nil {
			open = append(open, c)
		}
	}
	fmt.Println("open", len(open))
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		left := 0
		for _, c := range open {
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			var b [64]byte
			if _, err := c.Read(b[:]); err == nil || os.IsTimeout(err) {
				left++
			}
		}
		fmt.Println("left", left)
	}
}

// helpCrowd connects as 500 identities and holds what it gets.
func helpCrowd(full string) {
	info, err := peer.AddrInfoFromString(full)
	must(err)
	connected := 0
	for range 500 {
		h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.DisableRelay(), libp2p.DisableMetrics(),
			libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableIdentifyAddressDiscovery())
		must(err)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if h.Connect(ctx, peer.AddrInfo{ID: info.ID, Addrs: []ma.Multiaddr{info.Addrs[0]}}) == nil {
			connected++
		}
		cancel()
	}
	fmt.Println("connected", connected)
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
	}
}
