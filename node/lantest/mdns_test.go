package lantest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

const (
	mdnsPort    = 5353
	serviceName = "_conclave._udp.local."
	browseName  = "_services._dns-sd._udp.local."
)

// What the local network is told: nothing with --no-mdns, nothing while the node
// listens on loopback alone, otherwise the name of the service, the peer ID and
// its addresses.
func TestAbuse_NO06_WhatIsAnnounced(t *testing.T) {
	l := newLAN(t)
	bin := program(t, "")
	r := l.record()
	quiet := l.person("quiet", bin)
	quiet.up("--no-mdns")
	local := l.person("local", bin)
	local.up("--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip6/::1/tcp/0")
	awaitQuiet()
	for _, p := range r.packets(t) {
		if slices.Contains([]byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_IGMP}, p.proto) {
			t.Errorf("a packet from %v to %v: %q", p.src, p.dst, p.frame)
		}
	}
	if quiet.one("status").number("peers")+local.one("status").number("peers") != 0 {
		t.Error("they found each other")
	}

	loud := l.person("loud", bin)
	loud.up()
	awaitQuiet()
	all := r.packets(t)
	records := 0
	for _, p := range all {
		if p.proto == unix.IPPROTO_UDP && (p.dst.Port() == mdnsPort || p.src.Port() == mdnsPort) {
			records += checkMDNS(t, p, loud)
		} else if p.proto == unix.IPPROTO_UDP || p.proto == unix.IPPROTO_TCP {
			t.Errorf("a packet from %v to %v: %q", p.src, p.dst, p.payload)
		}
	}
	if records == 0 {
		t.Error("nothing is announced with the defaults")
	}
	t.Logf("%d packets, %d records announced", len(all), records)
	found := capture(haystack(all))
	for what, needle := range map[string]string{"the home": loud.home, "one who is quiet": quiet.id, "one who is local": local.id} {
		found.never(t, what, []byte(needle))
	}
}

// checkMDNS fails where a packet says more than it must, or comes from somebody
// else than p. It returns how many records it holds.
func checkMDNS(t *testing.T, pkt packet, p *person) (records int) {
	t.Helper()
	if ip := pkt.src.Addr(); ip.Is4() && ip.String() != p.addr {
		t.Errorf("multicast DNS from %v", pkt.src)
	}
	var msg dnsmessage.Message
	if err := msg.Unpack(pkt.payload); err != nil {
		t.Fatalf("multicast DNS: %v: %q", err, pkt.payload)
	}
	for _, q := range msg.Questions {
		checkName(t, q.Name.String())
	}
	for _, r := range slices.Concat(msg.Answers, msg.Authorities, msg.Additionals) {
		records++
		checkRecord(t, r, p)
	}
	return records
}

func checkRecord(t *testing.T, r dnsmessage.Resource, p *person) {
	t.Helper()
	checkName(t, r.Header.Name.String())
	switch b := r.Body.(type) {
	case *dnsmessage.AResource:
		if got := netip.AddrFrom4(b.A).String(); got != p.addr {
			t.Errorf("announces %s", got)
		}
	case *dnsmessage.AAAAResource:
		if !netip.AddrFrom16(b.AAAA).IsLinkLocalUnicast() {
			t.Errorf("announces %v", netip.AddrFrom16(b.AAAA))
		}
	case *dnsmessage.TXTResource:
		for _, text := range b.TXT {
			if text != "" && (!strings.HasPrefix(text, "dnsaddr=/ip") || !strings.HasSuffix(text, "/p2p/"+p.id)) {
				t.Errorf("announces %q", text)
			}
		}
	case *dnsmessage.PTRResource:
		checkName(t, b.PTR.String())
	case *dnsmessage.SRVResource:
		checkName(t, b.Target.String())
	default:
		t.Errorf("a record %v", r.Body.GoString())
	}
}

// checkName fails for a name that is neither that of the service nor drawn at
// random, as those of an instance and of a host are.
func checkName(t *testing.T, name string) {
	t.Helper()
	if name == serviceName || name == browseName {
		return
	}
	label, instance := strings.CutSuffix(name, "."+serviceName)
	if !instance {
		label = strings.TrimSuffix(name, ".local.")
	}
	if !random(label) {
		t.Errorf("a name that says something: %s", name)
	}
}

// random reports whether a label is one that was drawn, as far as one can see:
// long, and of lower letters and digits.
func random(label string) bool {
	return len(label) >= 32 && strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}
