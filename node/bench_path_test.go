package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	libnoise "github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"conclave/node/store"
)

// BenchmarkPath measures what one line costs on its whole way, from Send to the
// LogLine that a follower of each other member is given: sealed, signed, durable
// at everyone, checked, delivered. Beside it, in the same run, stands gossipsub
// alone with as many payloads, each of the size that one sealed line has: same
// transport, queues and degrees, as many on their way at once, no signatures, no
// checks, no disk. One operation is one line; CPU is that of the whole process,
// for each line at each receiver.
func BenchmarkPath(b *testing.B) {
	for _, n := range []int{2, 8} {
		for _, h := range []how{
			{"one", 1, 1, 16},                    // line after line, each a record of its own: no more than messageBurst of them
			{"busy", 16, 1, 16},                  // 16 people, or programs, at one node, each line after line
			{"piped", 1, MaxTexts, 4 * MaxTexts}, // as "send -" gives them
		} {
			b.Run(fmt.Sprintf("N=%d/%s", n, h.name), func(b *testing.B) { benchPath(b, n, h) })
		}
	}
}

// how lines are given to Send.
type how struct {
	name     string
	senders  int
	together int // lines in one Send
	window   int // lines on their way at once
}

// cost is what a number of lines took.
type cost struct {
	cpu, wall time.Duration
	lost      int
	receivers int
	lines     int
}

func (c cost) cpuPerDelivery() float64 {
	return float64(c.cpu.Microseconds()) / float64(max(c.lines*c.receivers-c.lost, 1))
}

func (c cost) rate() float64 { return float64(c.lines) / c.wall.Seconds() }

func benchPath(b *testing.B, n int, h how) {
	path, size, records := wholePath(b, n, h)
	bare := bareGossip(b, n, size, h.window)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(path.cpuPerDelivery(), "path-us/delivery")
	b.ReportMetric(bare.cpuPerDelivery(), "bare-us/delivery")
	b.ReportMetric(path.cpuPerDelivery()/bare.cpuPerDelivery(), "ratio")
	b.ReportMetric(path.rate(), "path-lines/s")
	b.ReportMetric(bare.rate(), "bare-msgs/s")
	b.ReportMetric(float64(path.lost), "path-lost")
	b.ReportMetric(float64(bare.lost), "bare-lost")
	b.ReportMetric(float64(b.N)/float64(records), "lines/record")
}

// flow lets at most so many lines be on their way at once.
type flow struct {
	free      chan struct{}
	left      []atomic.Int32 // deliveries to come, for each line
	delivered atomic.Int64
}

func newFlow(lines, receivers, window int) *flow {
	f := &flow{free: make(chan struct{}, window), left: make([]atomic.Int32, lines)}
	for i := range f.left {
		f.left[i].Store(int32(receivers))
	}
	return f
}

// take waits for room for k more lines.
func (f *flow) take(k int) {
	for range k {
		f.free <- struct{}{}
	}
}

// give gives all lines to send, as h says.
func (f *flow) give(lines int, h how, send func(texts []string) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range h.senders {
		all.Go(func() {
			for {
				end := int(next.Add(int64(h.together)))
				var texts []string
				for i := end - h.together; i < min(end, lines); i++ {
					texts = append(texts, benchText(i))
				}
				f.take(len(texts))
				if len(texts) == 0 || send(texts) != nil {
					return // what was not sent counts as lost
				}
			}
		})
	}
	all.Wait()
}

// got notes that line i came to one receiver.
func (f *flow) got(i int) {
	f.delivered.Add(1)
	if f.left[i].Add(-1) == 0 {
		<-f.free
	}
}

// drain waits until everything has come, or nothing comes any more.
func (f *flow) drain(want int) (lost int) {
	last, since := f.delivered.Load(), time.Now()
	for last < int64(want) && time.Since(since) < 10*time.Second {
		time.Sleep(time.Millisecond)
		if now := f.delivered.Load(); now != last {
			last, since = now, time.Now()
		}
	}
	return want - int(last)
}

// cpu is the time that all threads of this process have spent so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	ok(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchText is a line of some 80 bytes that tells its number.
func benchText(i int) string { return fmt.Sprintf("%08d %s", i, strings.Repeat("chat ", 14)) }

// wholePath sends b.N lines through real nodes. It returns what they cost, the
// size of a record of one line, and how many records they were.
func wholePath(b *testing.B, n int, h how) (c cost, size, records int) {
	all := []*player{newPlayer(b, "p0")}
	for i := 1; i < n; i++ {
		all = append(all, newPlayer(b, fmt.Sprintf("p%d", i), all[0]))
	}
	gid := newGroup(b, CreateGroup{}, all[0], all[1:]...)
	agree(b, gid, all...)
	waitForMesh(b, gid, all)
	all[0].say(gid, benchText(0))
	for _, p := range all[1:] {
		p.reads(gid, benchText(0))
	}
	size, _ = recordsAt(b, all[1], gid)
	f := newFlow(b.N, n-1, h.window)
	ctx, cancel := context.WithCancel(b.Context())
	var readers sync.WaitGroup
	for _, p := range all[1:] {
		events, err := p.Events(ctx, 0)
		ok(b, err)
		readers.Go(func() {
			for e := range events {
				var i int
				if e.Line != nil && e.Line.Kind == "message" {
					fmt.Sscanf(*e.Line.Text, "%d", &i)
					f.got(i)
				}
			}
		})
	}
	runtime.GC()
	b.ResetTimer()
	began, used := time.Now(), cpu(b)
	f.give(b.N, h, func(texts []string) error {
		_, err := all[0].Send(ctx, gid, texts, false, false)
		return err
	})
	c = cost{lost: f.drain(b.N * (n - 1)), lines: b.N, receivers: n - 1}
	c.wall, c.cpu = time.Since(began), cpu(b)-used
	b.StopTimer()
	cancel()
	readers.Wait()
	_, records = recordsAt(b, all[1], gid)
	for _, p := range all {
		p.down()
	}
	return c, size, records - 1
}

// recordsAt returns how many message records a node holds, and the size of the
// greatest, in bytes.
func recordsAt(b *testing.B, p *player, gid string) (size, count int) {
	for rec, err := range p.roomOf(gid).disk.space.Scan(store.Query{Prefix: "/m"}) {
		ok(b, err)
		size = max(size, len(rec.Value)-9)
		count++
	}
	return size, count
}

// waitForMesh waits until everybody publishes to somebody.
func waitForMesh(b *testing.B, gid string, all []*player) {
	for _, p := range all {
		select {
		case <-p.roomOf(gid).topic.Ready():
		case <-time.After(20 * time.Second):
			b.Fatalf("%s is in nobody's mesh", p.name)
		}
	}
	time.Sleep(2 * time.Second) // for the degrees to settle: two heartbeats
}

// bareGossip sends b.N payloads of that size through gossipsub alone.
func bareGossip(b *testing.B, n, size, window int) cost {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var hosts []host.Host
	var topics []*pubsub.Topic
	f := newFlow(b.N, n-1, window)
	for i := range n {
		h := bareHost(b)
		defer h.Close()
		ps, err := pubsub.NewGossipSub(ctx, h, bareOptions()...)
		ok(b, err)
		topic, err := ps.Join("bench")
		ok(b, err)
		sub, err := topic.Subscribe(pubsub.WithBufferSize(8192))
		ok(b, err)
		go func() {
			for {
				msg, err := sub.Next(ctx)
				if err != nil {
					return
				}
				var k int
				if fmt.Sscanf(string(msg.Data[:8]), "%d", &k); i != 0 && k < b.N {
					f.got(k)
				}
			}
		}()
		for _, o := range hosts {
			ok(b, h.Connect(ctx, peer.AddrInfo{ID: o.ID(), Addrs: o.Addrs()}))
		}
		hosts, topics = append(hosts, h), append(topics, topic)
	}
	await(b, "subscriptions", func() bool { return len(topics[0].ListPeers()) == n-1 })
	time.Sleep(2 * time.Second) // two heartbeats, as above
	pad := strings.Repeat("x", max(size, 16))
	runtime.GC()
	began, used := time.Now(), cpu(b)
	for i := range b.N {
		f.take(1)
		ok(b, topics[0].Publish(ctx, []byte(fmt.Sprintf("%08d%s", i, pad[8:]))))
	}
	c := cost{lost: f.drain(b.N * (n - 1)), lines: b.N, receivers: n - 1}
	c.wall, c.cpu = time.Since(began), cpu(b)-used
	return c
}

func bareHost(b *testing.B) host.Host {
	h, err := libp2p.New(
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(libnoise.ID, libnoise.New), libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(), libp2p.Ping(false),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	ok(b, err)
	return h
}

// bareOptions are those of package mesh, without what it adds.
func bareOptions() []pubsub.Option {
	params := pubsub.DefaultGossipSubParams()
	params.D, params.Dlo, params.Dhi, params.Dscore, params.Dout = 3, 2, 6, 1, 0
	return []pubsub.Option{
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(func(m *pb.Message) string { h := sha256.Sum256(m.GetData()); return string(h[:]) }),
		pubsub.WithGossipSubParams(params), pubsub.WithFloodPublish(false),
		pubsub.WithPeerOutboundQueueSize(1024), pubsub.WithValidateQueueSize(4096),
		pubsub.WithValidateWorkers(max(2, runtime.NumCPU())),
		pubsub.WithLogger(slog.New(slog.DiscardHandler)), pubsub.WithRPCLogger(slog.New(slog.DiscardHandler)),
	}
}
