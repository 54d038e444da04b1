package discovery

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is two hosts on a simulated network, in virtual time.
func pair(t *testing.T, f func(t *testing.T, a, b host.Host)) {
	synctest.Test(t, func(t *testing.T) {
		nw := &simnet.Simnet{LatencyFunc: simnet.StaticLatency(10 * time.Millisecond)}
		nw.Start()
		defer nw.Close()
		mk := func(ip string) host.Host {
			link := simnet.LinkSettings{BitsPerSecond: 100 * simlibp2p.OneMbps}
			h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/"+ip+"/udp/8000/quic-v1"), libp2p.DisableIdentifyAddressDiscovery(),
				libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableMetrics(), libp2p.DisableRelay(),
				simlibp2p.QUICSimnet(nw, simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link}))
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		a, b := mk("1.0.0.1"), mk("1.0.0.2")
		defer a.Close()
		defer b.Close()
		f(t, a, b)
	})
}

func start(t *testing.T, cfg Config) *Finder {
	t.Helper()
	f, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func addrOf(h host.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

func TestStaticPeerIsDialledAndRedialled(t *testing.T) {
	pair(t, func(t *testing.T, a, b host.Host) {
		f := start(t, Config{Host: a, Static: []peer.AddrInfo{addrOf(b)}})
		defer f.Close()
		for range 3 {
			time.Sleep(3 * time.Second)
			if a.Network().Connectedness(b.ID()) != network.Connected {
				t.Fatal("not connected")
			}
			b.Network().ClosePeer(a.ID())
		}
	})
}

// dialler counts attempts, all of which fail until it is told otherwise.
type dialler struct {
	mu    sync.Mutex
	times []time.Duration
	began time.Time
}

func (d *dialler) dial(context.Context, peer.AddrInfo) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.times = append(d.times, time.Since(d.began))
	return errors.New("nobody there")
}

func (d *dialler) attempts() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.times)
}

func TestFinderKeepsTheSchedule(t *testing.T) {
	pair(t, func(t *testing.T, a, b host.Host) {
		d := &dialler{began: time.Now()}
		f := start(t, Config{Host: a, Dial: d.dial, Static: []peer.AddrInfo{addrOf(b)}})
		defer f.Close()
		time.Sleep(100 * time.Second)
		want := []time.Duration{0, 1, 3, 7, 15, 31, 61, 91}
		got := d.attempts()
		if len(got) != len(want) {
			t.Fatalf("attempts at %v", got)
		}
		for i, s := range want {
			if got[i] != s*time.Second {
				t.Errorf("attempt %d at %v, want %d s", i, got[i], s)
			}
		}
	})
}

func TestWakeDialsAtOnce(t *testing.T) {
	pair(t, func(t *testing.T, a, b host.Host) {
		d := &dialler{began: time.Now()}
		f := start(t, Config{Host: a, Dial: d.dial, Static: []peer.AddrInfo{addrOf(b)}})
		defer f.Close()
		time.Sleep(20 * time.Second)
		before := len(d.attempts())
		f.Wake()
		synctest.Wait()
		if n := len(d.attempts()); n != before+1 {
			t.Errorf("%d attempts, want one more than %d", n, before)
		}
	})
}

func TestAnotherNetworkDialsAtOnce(t *testing.T) {
	pair(t, func(t *testing.T, a, b host.Host) {
		d := &dialler{began: time.Now()}
		var moved atomic.Bool
		f := start(t, Config{Host: a, Dial: d.dial, Static: []peer.AddrInfo{addrOf(b)}, networks: func() []netip.Prefix {
			if moved.Load() {
				return []netip.Prefix{netip.MustParsePrefix("10.0.0.7/24")}
			}
			return nil
		}})
		defer f.Close()
		time.Sleep(64 * time.Second)
		before := len(d.attempts())
		moved.Store(true)
		time.Sleep(lookAround + time.Millisecond)
		if got := d.attempts(); len(got) <= before || got[before] > 64*time.Second+lookAround {
			t.Errorf("attempts at %v", got) // the next would have been at 91 s
		}
	})
}

// An attempt that waits for an answer does not hold up those on another network.
func TestAnotherNetworkEndsWhatIsUnderWay(t *testing.T) {
	pair(t, func(t *testing.T, a, b host.Host) {
		var tries, moved atomic.Int64
		f := start(t, Config{Host: a, Static: []peer.AddrInfo{addrOf(b)},
			Dial: func(ctx context.Context, _ peer.AddrInfo) error {
				tries.Add(1)
				<-ctx.Done()
				return ctx.Err()
			},
			networks: func() []netip.Prefix {
				return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(moved.Load())}), 24)}
			}})
		defer f.Close()
		time.Sleep(lookAround / 2)
		moved.Store(1)
		time.Sleep(lookAround + minBackoff + yield)
		if n := tries.Load(); n != 2 {
			t.Errorf("%d attempts, want another one", n)
		}
	})
}

func TestKnownAddressesAreLearntFromThePeer(t *testing.T) {
	pair(t, func(t *testing.T, a, b host.Host) {
		f := start(t, Config{Host: a})
		f.Remember(peer.AddrInfo{ID: b.ID()})
		if err := b.Connect(t.Context(), addrOf(a)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := f.Known(b.ID()); len(got) == 0 || !got[0].Equal(b.Addrs()[0]) {
			t.Errorf("known: %v", got)
		}
		f.Forget(b.ID())
		f.Close()
		if f.Known(b.ID()) != nil || f.Err() != nil {
			t.Error("a closed finder answers")
		}
		f.Remember(addrOf(b)) // does nothing, and does not hang
	})
}

func TestStartWantsAHost(t *testing.T) {
	if _, err := Start(t.Context(), Config{}); err == nil {
		t.Error("no host, no error")
	}
}

// The wall clock that has gone on while the steady one stood still is a machine
// that slept.
func TestAfterASleepEverythingIsTriedAgain(t *testing.T) {
	pair(t, func(t *testing.T, a, b host.Host) {
		d := &dialler{began: time.Now()}
		var slept, moved atomic.Int64
		f := start(t, Config{
			Host: a, Dial: d.dial, Static: []peer.AddrInfo{addrOf(b)}, Moved: func() { moved.Add(1) },
			networks: func() []netip.Prefix { return nil },
			clock:    func() time.Time { return time.Now().Add(time.Duration(slept.Load())) },
		})
		defer f.Close()
		time.Sleep(64 * time.Second)
		if moved.Load() != 0 {
			t.Fatal("a machine that is awake is told to have slept")
		}
		before := len(d.attempts())
		slept.Store(int64(time.Hour))
		time.Sleep(lookAround + time.Millisecond)
		if got := d.attempts(); len(got) <= before || moved.Load() != 1 {
			t.Errorf("attempts at %v, moved %d times", got, moved.Load())
		}
		slept.Store(0) // a clock that is turned back is no sleep
		time.Sleep(2 * lookAround)
		if moved.Load() != 1 {
			t.Error("a clock that is turned back is taken for a sleep")
		}
	})
}
