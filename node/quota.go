package node

import (
	"context"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// What one peer may ask of this node. Beside it stand the limits of package mesh:
// 8 streams of a protocol at a time from one peer, 128 from all.
//
//	of one peer          at once   a second   beyond          why so many
//	streams join         10        1          reset           a joiner who waits repeats every 2 s
//	streams link         10        1          reset           the same, by a link
//	streams key          40        8          reset           at most one in each round of catch-up: 6.7 a second
//	streams sync         200       20         reset           a round for each group that both are in, at each connect
//	streams offer        40        2          reset           an invitation or a nudge for each group
//	streams kept         20        1          reset           at a connect, a nudge and each minute, for each group
//	streams seek         10        0.2        reset           a joiner asks each neighbour as often, see askNear
//	streams withdraw     10        1          reset           a person changes their mind
//	work on the loop     2 s       100 ms     reset           what is missing is worked out on the loop: never more than a tenth of it
//	envelopes            256       64         "not held"      0.15 ms of sealing each: a hundredth of a core
//	bytes given          64 MiB    16 MiB     it waits        a history of that size comes at full speed
//	of one address, but for loopback
//	streams join, link,  100       10         reset           identities cost nothing
//	seek, together
//	of one former member, for each group
//	farewell             3         1/300      an empty welcome   it is told once, and again when it holds something else
//
// A stream that is reset is asked for again later, as after any interruption.
const (
	workBurst, workRate         = 2_000_000, 100_000 // microseconds
	envelopeBurst, envelopeRate = 256, 64
	bytesBurst, bytesRate       = 64 << 20, 16 << 20
	addressBurst, addressRate   = 100, 10
	farewellBurst               = 3
	farewellEvery               = 5 * time.Minute

	quotaPeers     = 1024 // peers, and addresses, whose quotas are remembered; the least recent are forgotten
	quotaFarewells = 256
)

// streamQuotas are the rows of the table that count streams.
func streamQuotas() map[string]*rate.Limiter {
	return map[string]*rate.Limiter{
		protoJoin:  rate.NewLimiter(1, 10),
		protoKey:   rate.NewLimiter(8, 40),
		protoSync:  rate.NewLimiter(20, 200),
		protoOffer: rate.NewLimiter(2, 40),
		protoLink:  rate.NewLimiter(1, 10),
		protoKept:  rate.NewLimiter(1, 20),
		protoSeek:  rate.NewLimiter(0.2, 10),

		protoWithdraw: rate.NewLimiter(1, 10),
	}
}

// errQuota: the peer asks for more than its share.
var errQuota = errors.New("peer asks too often")

// quota is what one peer may still ask for.
type quota struct {
	streams   map[string]*rate.Limiter // by protocol; never changed
	work      *rate.Limiter            // microseconds
	envelopes *rate.Limiter
	bytes     *rate.Limiter
}

func newQuota() *quota {
	return &quota{
		streams:   streamQuotas(),
		work:      rate.NewLimiter(workRate, workBurst),
		envelopes: rate.NewLimiter(envelopeRate, envelopeBurst),
		bytes:     rate.NewLimiter(bytesRate, bytesBurst),
	}
}

// quotas remembers what peers have asked for lately. Safe for concurrent use.
type quotas struct {
	peers     *lru.Cache[keys.PeerID, *quota]
	addresses *lru.Cache[string, *rate.Limiter]
	sought    *lru.Cache[keys.PeerID, *rate.Limiter] // neighbours that this node asks
}

func newQuotas() (quotas, error) {
	peers, err := lru.New[keys.PeerID, *quota](quotaPeers)
	if err != nil {
		return quotas{}, err
	}
	addresses, err := lru.New[string, *rate.Limiter](quotaPeers)
	if err != nil {
		return quotas{}, err
	}
	sought, err := lru.New[keys.PeerID, *rate.Limiter](quotaPeers)
	return quotas{peers, addresses, sought}, err
}

func (q quotas) of(p keys.PeerID) *quota { return remembered(q.peers, p, newQuota) }

// mayOpen takes the price of a stream from a peer, and, of those that strangers
// open, from its address.
func (q quotas) mayOpen(proto string, p keys.PeerID, ip string) bool {
	strangers := proto == protoJoin || proto == protoLink || proto == protoSeek
	return q.of(p).streams[proto].Allow() && (!strangers || isLoopback(ip) ||
		remembered(q.addresses, ip, func() *rate.Limiter { return rate.NewLimiter(addressRate, addressBurst) }).Allow())
}

// remembered returns what c holds under k, made if need be.
func remembered[K comparable, V any](c *lru.Cache[K, V], k K, fresh func() V) V {
	if v, ok := c.Get(k); ok {
		return v
	}
	v := fresh()
	if held, ok, _ := c.PeekOrAdd(k, v); ok {
		return held
	}
	return v
}

// serve answers the streams of a protocol, as many as each peer may open.
func (n *Node) serve(proto string, h func(context.Context, *mesh.Stream)) {
	n.net.Handle(proto, func(ctx context.Context, s *mesh.Stream) {
		if !n.quotas.mayOpen(proto, s.Peer(), s.RemoteIP()) {
			n.counts.refusedStreams.Add(1)
			s.Reset()
			return
		}
		h(ctx, s)
	})
}

// lookFor is look on behalf of a peer, who pays for the time. Errors: errQuota.
func (r *room) lookFor(ctx context.Context, p keys.PeerID, f func(*group.Machine)) error {
	work := r.n.quotas.of(p).work
	if work.Tokens() <= 0 {
		r.n.counts.refusedStreams.Add(1)
		return errQuota
	}
	var took time.Duration
	err := r.look(ctx, func(m *group.Machine) {
		began := time.Now()
		f(m)
		took = time.Since(began)
	})
	work.ReserveN(time.Now(), int(min(took.Microseconds(), workBurst)))
	return err
}

// farewell is what a former member was told last, and when.
type farewell struct {
	root keys.Hash // of what it held when it asked
	at   time.Time
	left *rate.Limiter
}

// mayTell reports whether a peer that holds root, and is no member, may be told
// how its membership ended. unheard is to be called where it was not told after
// all.
func (r *room) mayTell(m *group.Machine, p keys.PeerID, root keys.Hash) (unheard func(), may bool) {
	if !m.Admitted(p) {
		return nil, false
	}
	f := remembered(r.farewells, p, func() farewell {
		return farewell{left: rate.NewLimiter(rate.Every(farewellEvery), farewellBurst)}
	})
	if f.root == root && time.Since(f.at) < farewellEvery || !f.left.Allow() {
		return nil, false
	}
	r.farewells.Add(p, farewell{root: root, at: time.Now(), left: f.left})
	return func() { r.farewells.Add(p, farewell{left: f.left}) }, true
}
