package mesh

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// A peer may send so many control items (announced, wanted and unwanted IDs,
	// grafts, prunes) at once, and so many a second. An honest one that relays
	// 1,000 messages a second, the most that two cores carry, needs 3,000.
	controlBurst = 12000
	controlRate  = 6000
	// What an RPC beyond that costs, what a rejected payload costs, and the
	// standing below which a peer is not heard: after eight of the one, or three
	// of the other.
	floodCost  = -10
	rejectCost = -30
	graylist   = -80
	// amnesty is how long all that is remembered after the last.
	amnesty = 10 * time.Minute
)

// ledger keeps each peer's standing: what no honest peer does counts against
// it. gossipsub can count rejected payloads by itself, but only of peers that
// take a stream from it; one that merely sends has no score there at all.
type ledger struct {
	mu       sync.Mutex
	accounts map[peer.ID]*account
	swept    time.Time
}

// account is a token bucket of control items, and the price of misdeeds.
type account struct {
	tokens   float64
	at       time.Time // of tokens
	standing float64   // 0 or less
	fined    time.Time // last
}

func newLedger() *ledger { return &ledger{accounts: make(map[peer.ID]*account)} }

// pay takes n control items from p's budget. Beyond it, it fines p and reports
// false.
func (l *ledger) pay(p peer.ID, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	a := l.account(p, now)
	a.tokens = min(controlBurst, a.tokens+controlRate*now.Sub(a.at).Seconds())
	a.at = now
	if a.tokens < float64(n) {
		a.fine(floodCost, now)
		return false
	}
	a.tokens -= float64(n)
	return true
}

// rejected fines p for a payload that no honest peer sends.
func (l *ledger) rejected(p peer.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.account(p, now).fine(rejectCost, now)
}

// standing is 0, or less for misdeeds of which the last is not forgotten.
func (l *ledger) standing(p peer.ID) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.accounts[p]
	if !ok || time.Since(a.fined) > amnesty {
		return 0
	}
	return a.standing
}

func (a *account) fine(cost float64, now time.Time) {
	if now.Sub(a.fined) > amnesty {
		a.standing = 0
	}
	a.standing += cost
	a.fined = now
}

// account is called with mu held. Once a minute it drops those that no longer
// say anything, so that a crowd passing by leaves nothing behind.
func (l *ledger) account(p peer.ID, now time.Time) *account {
	if now.Sub(l.swept) > time.Minute {
		l.swept = now
		for q, a := range l.accounts {
			if now.Sub(a.at) > time.Minute && now.Sub(a.fined) > amnesty {
				delete(l.accounts, q)
			}
		}
	}
	a, ok := l.accounts[p]
	if !ok {
		a = &account{tokens: controlBurst, at: now}
		l.accounts[p] = a
	}
	return a
}
