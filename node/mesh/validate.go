package mesh

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"

	"conclave/keys"

	lru "github.com/hashicorp/golang-lru/v2"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Verdict is what a validator says of a payload.
type Verdict int

const (
	// Ignore drops the payload and blames nobody.
	Ignore Verdict = iota
	// Accept forwards it.
	Accept
	// Reject drops it and counts against the peer that sent it: no honest peer
	// forwards such a thing.
	Reject
)

// Validator judges a payload that from sent, which need not be who wrote it. It
// is called once for each distinct payload (gossipsub forgets after two
// minutes), on several goroutines at a time, and hands on what it accepts by
// itself: there is no other delivery. While it runs, messages queue up behind
// it: it must not wait for disk or network. data is not to be changed.
type Validator func(from keys.PeerID, data []byte) Verdict

// rejectedKept is how many rejected payloads are remembered, by their hash.
const rejectedKept = 4096

// judge stands between gossipsub and a Validator.
type judge struct {
	self     peer.ID
	log      *slog.Logger
	validate Validator
	rejected *lru.Cache[string, struct{}]
	alarm    sync.Once
}

func newJudge(self peer.ID, log *slog.Logger, v Validator) (*judge, error) {
	c, err := lru.New[string, struct{}](rejectedKept)
	if err != nil {
		return nil, err
	}
	return &judge{self: self, log: log, validate: v, rejected: c}, nil
}

// result is the pubsub validator. What the node publishes itself is not judged.
func (j *judge) result(_ context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
	if from == j.self {
		return pubsub.ValidationAccept
	}
	id := messageID(msg.Message)
	if j.rejected.Contains(id) {
		return pubsub.ValidationReject
	}
	switch j.ask(from, msg.GetData()) {
	case Accept:
		return pubsub.ValidationAccept
	case Reject:
		j.rejected.Add(id, struct{}{})
		return pubsub.ValidationReject
	}
	return pubsub.ValidationIgnore
}

// ask recovers from a panic of the validator: gossipsub does not, and would end
// the process.
func (j *judge) ask(from peer.ID, data []byte) (v Verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = Ignore
			j.alarm.Do(func() { j.log.Error("validator panicked", "panic", r, "stack", string(debug.Stack())) })
		}
	}()
	k, err := keyOf(from)
	if err != nil {
		return Ignore
	}
	return j.validate(k, data)
}
