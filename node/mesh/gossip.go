package mesh

import (
	"crypto/sha256"
	"log/slog"
	"runtime"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	// MaxPayload is the largest payload that Publish takes, in bytes.
	MaxPayload = 80 << 10
	// maxRPC leaves room beside the payload for the topic and the framing, and
	// for about 1,000 announcements in the greeting of one peer.
	maxRPC = 96 << 10
	// queueSize is that of gossipsub's outbound queues, one per peer. The default
	// of 32 drops 78 % of a burst of 1,000 messages at 8 nodes.
	queueSize = 1024
	// validateSize is that of the one validation queue. Until the first copy of a
	// message has been judged, the three or four others take a place as well.
	validateSize = 4 * queueSize
	// maxSubscriptions is how many announcements one RPC may hold.
	maxSubscriptions = 1024
)

// protocols are the versions of gossipsub that are spoken. floodsub, which the
// library offers by default, is not among them: a floodsub peer is sent every
// message of a topic whatever the peer filter says.
func protocols() []protocol.ID {
	return []protocol.ID{pubsub.GossipSubID_v13, pubsub.GossipSubID_v12, pubsub.GossipSubID_v11}
}

// newGossip starts gossipsub behind both filters.
func (m *Mesh) newGossip(extra []pubsub.Option) (*pubsub.PubSub, error) {
	opts := append([]pubsub.Option{
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithGossipSubProtocols(protocols(), pubsub.GossipSubDefaultFeatures),
		pubsub.WithGossipSubParams(params()),
		pubsub.WithFloodPublish(false),
		pubsub.WithPeerExchange(false),
		pubsub.WithPeerScore(scoring(m.ledger.standing)),
		pubsub.WithPeerFilter(m.views.allows),
		pubsub.WithSubscriptionFilter(m.views.filter()),
		pubsub.WithAppSpecificRpcInspector(m.inspect),
		pubsub.WithMaxMessageSize(maxRPC),
		pubsub.WithMaxControlMessageSize(maxRPC),
		pubsub.WithPeerOutboundQueueSize(queueSize),
		pubsub.WithValidateQueueSize(validateSize),
		pubsub.WithValidateWorkers(max(2, runtime.NumCPU())),
		pubsub.WithRawTracer(m.trace),
		pubsub.WithLogger(slog.New(slog.DiscardHandler)),
		pubsub.WithRPCLogger(slog.New(slog.DiscardHandler)),
	}, extra...)
	return pubsub.NewGossipSub(m.ctx, tapHost{m.host, m.taps}, opts...)
}

// messageID names a message by its content alone, so that a copy is a copy
// whoever sends it: SHA-256(topic || 0 || data). A topic holds no zero byte.
func messageID(msg *pb.Message) string {
	h := sha256.New()
	h.Write([]byte(msg.GetTopic()))
	h.Write([]byte{0})
	h.Write(msg.GetData())
	return string(h.Sum(nil))
}

// params suit groups of up to about 32: each peer forwards to three others. Six
// (the default) costs 1.4 times the CPU there, for copies that are thrown away.
func params() pubsub.GossipSubParams {
	p := pubsub.DefaultGossipSubParams()
	p.D, p.Dlo, p.Dhi, p.Dscore, p.Dout = 3, 2, 6, 1, 0
	return p
}

// scoring hands what standing says to gossipsub: below zero a peer is in no
// mesh, below the thresholds it is told nothing and then not heard. To that
// gossipsub adds the promises that a peer broke (announced payloads that never
// came). Nobody is punished for being slow or silent.
func scoring(standing func(peer.ID) float64) (*pubsub.PeerScoreParams, *pubsub.PeerScoreThresholds) {
	return &pubsub.PeerScoreParams{
			Topics:                    make(map[string]*pubsub.TopicScoreParams),
			AppSpecificScore:          standing,
			AppSpecificWeight:         1,
			BehaviourPenaltyWeight:    -1,
			BehaviourPenaltyThreshold: 6,
			BehaviourPenaltyDecay:     pubsub.ScoreParameterDecay(amnesty),
			DecayInterval:             time.Second,
			DecayToZero:               0.01,
			RetainScore:               amnesty,
		}, &pubsub.PeerScoreThresholds{
			GossipThreshold:   graylist / 2,
			PublishThreshold:  graylist * 3 / 4,
			GraylistThreshold: graylist,
		}
}
