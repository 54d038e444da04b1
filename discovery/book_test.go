package discovery

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

var epoch = time.Unix(1_000_000, 0)

func at(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }

func info(id string, addrs ...string) peer.AddrInfo {
	p := peer.AddrInfo{ID: peer.ID(id)}
	for _, a := range addrs {
		p.Addrs = append(p.Addrs, ma.StringCast(a))
	}
	return p
}

const someAddr = "/ip4/10.0.0.1/tcp/1"

// dues returns who is due at s seconds, and ends each attempt as a failure.
func dues(b *book, s float64) (ids []string) {
	for _, p := range b.due(at(s), 100) {
		ids = append(ids, string(p.ID))
		b.dialled(p.ID, false, at(s))
	}
	slices.Sort(ids)
	return ids
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("due: %v, want %v", got, want)
	}
}

func TestBackoffDoublesToThirtySeconds(t *testing.T) {
	for n, want := range []int{0, 1, 2, 4, 8, 16, 30, 30, 30} {
		if got := backoff(n); got != time.Duration(want)*time.Second {
			t.Errorf("backoff(%d) = %v, want %d s", n, got, want)
		}
	}
	if backoff(1<<40) != maxBackoff {
		t.Error("overflow")
	}
}

func TestRememberedPeerIsTriedForEver(t *testing.T) {
	b := newBook("a")
	b.remember(info("b", someAddr), at(0))
	now := 0.0
	for n := 1; n < 50; n++ {
		expect(t, dues(b, now), "b")
		pause := backoff(n).Seconds()
		expect(t, dues(b, now+pause-0.001))
		if got := b.wait(at(now)); got != backoff(n) {
			t.Fatalf("after %d failures the loop sleeps %v", n, got)
		}
		now += pause
	}
}

func TestNetworkChangeResetsTheBackoff(t *testing.T) {
	b := newBook("a")
	b.remember(info("b", someAddr), at(0))
	for _, s := range []float64{0, 1, 3, 7, 15} {
		expect(t, dues(b, s), "b")
	}
	expect(t, dues(b, 16))
	b.reset(at(16))
	expect(t, dues(b, 16), "b")
	expect(t, dues(b, 17), "b")
}

func TestConnectedPeerIsNotDialled(t *testing.T) {
	b := newBook("a")
	b.remember(info("b", someAddr), at(0))
	due := b.due(at(0), 100)
	if len(due) != 1 || len(b.due(at(0), 100)) != 0 {
		t.Error("dialled twice at a time")
	}
	b.dialled("b", true, at(0))
	b.reset(at(1))
	expect(t, dues(b, 100))
	b.disconnected("b", at(100))
	expect(t, dues(b, 100.9))
	expect(t, dues(b, 101), "b")
}

// Both sides hear of each other, and lose each other, at the same moment: the
// greater ID lets the other go first.
func TestGreaterIDYields(t *testing.T) {
	small, great := newBook("a"), newBook("b")
	small.found(info("b", someAddr), at(0))
	great.found(info("a", someAddr), at(0))
	expect(t, dues(small, 0), "b")
	expect(t, dues(great, 0.999))
	expect(t, dues(great, 1), "a")
}

func TestFoundStrangerIsGivenUp(t *testing.T) {
	b := newBook("a")
	b.found(info("b", someAddr), at(0))
	tries := 0
	for s := 0.0; s < 3600; s++ {
		tries += len(dues(b, s))
	}
	if tries != maxFailures {
		t.Errorf("%d attempts, want %d", tries, maxFailures)
	}
	b.found(info("b", someAddr), at(3600))
	expect(t, dues(b, 3600), "b")
}

func TestForgottenPeerIsLeftAlone(t *testing.T) {
	b := newBook("a")
	b.remember(info("b", someAddr), at(0))
	b.forget("b")
	b.reset(at(1))
	expect(t, dues(b, 2))
	if len(b.known("b")) != 1 {
		t.Error("its addresses are lost")
	}
	b.remember(info("b"), at(3))
	expect(t, dues(b, 3), "b")
}

func TestOneselfIsNeverDialled(t *testing.T) {
	b := newBook("a")
	b.remember(info("a", someAddr), at(0))
	b.found(info("a", someAddr), at(0))
	expect(t, dues(b, 100))
}

func TestStrangersAndAddressesAreBounded(t *testing.T) {
	b := newBook("a")
	b.remember(info("kept", someAddr), at(0))
	for i := range 10 * maxStrangers {
		b.found(info(fmt.Sprintf("s%d", i), someAddr), at(0))
	}
	if len(b.entries) != maxStrangers+1 || b.known("kept") == nil {
		t.Errorf("%d entries", len(b.entries))
	}
	if b.known(peer.ID(fmt.Sprintf("s%d", 10*maxStrangers-1))) == nil {
		t.Error("the newest was dropped")
	}
	for i := range 100 {
		b.learn(info("kept", fmt.Sprintf("/ip4/10.0.0.2/tcp/%d", i+1)))
	}
	known := b.known("kept")
	if len(known) != maxAddrs || known[0].String() != "/ip4/10.0.0.2/tcp/100" {
		t.Errorf("%d addresses, the first %v", len(known), known[0])
	}
}

func TestAttemptsAtATimeAreBounded(t *testing.T) {
	b := newBook("a")
	for i := range 10 {
		b.remember(info(fmt.Sprint(i), someAddr), at(float64(i)))
	}
	first := b.due(at(100), 4)
	if len(first) != 4 || first[0].ID != "0" {
		t.Fatalf("%d due, want the 4 that waited longest", len(first))
	}
	if len(b.due(at(100), 4)) != 0 {
		t.Error("more than 4 under way")
	}
	b.dialled(first[0].ID, true, at(100))
	if len(b.due(at(100), 4)) != 1 {
		t.Error("a free attempt is not used")
	}
}

func TestNearbyIsWhoTheNetworkToldOf(t *testing.T) {
	b := newBook("m")
	b.remember(info("a", "/ip4/10.0.0.1/tcp/1"), at(0))
	b.found(info("c", "/ip4/10.0.0.3/tcp/1"), at(0))
	b.found(info("b", "/ip4/10.0.0.2/tcp/1"), at(0))
	b.learn(info("c", "/ip4/192.0.2.3/tcp/1"))
	got := b.nearby()
	if len(got) != 2 || got[0].ID != "b" || got[1].ID != "c" || len(got[1].Addrs) != 1 || got[1].Addrs[0].String() != "/ip4/10.0.0.3/tcp/1" {
		t.Errorf("nearby: %v", got)
	}
	b.moved()
	if got := b.nearby(); len(got) != 0 {
		t.Errorf("on another network: %v", got)
	}
}
