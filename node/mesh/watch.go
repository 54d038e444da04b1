package mesh

import (
	"slices"

	"conclave/keys"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
)

// PeerEvent tells that the first connection to a peer stands, or that the last
// one is gone.
type PeerEvent struct {
	Peer      keys.PeerID
	Connected bool
}

// Events delivers the comings and goings of peers, in order, to one reader.
// A reader that is slow never misses the state that a peer ended in: of a loss
// and a return in between it sees the return alone. The channel is never closed.
func (m *Mesh) Events() <-chan PeerEvent { return m.events }

func (m *Mesh) watch() error {
	sub, err := m.host.EventBus().Subscribe(new(event.EvtPeerConnectednessChanged),
		eventbus.BufSize(256), eventbus.Name("conclave/mesh"))
	if err != nil {
		return err
	}
	m.host.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) { m.checkOthers(c) }})
	m.wg.Go(func() {
		defer sub.Close()
		m.deliver(sub.Out())
	})
	return nil
}

// deliver hands events on without ever making the host wait.
func (m *Mesh) deliver(in <-chan any) {
	var waiting inbox
	for {
		var out chan<- PeerEvent
		var next PeerEvent
		if len(waiting) > 0 {
			out, next = m.events, waiting[0].PeerEvent
		}
		select {
		case ev := <-in:
			c := ev.(event.EvtPeerConnectednessChanged)
			waiting.add(c.Peer, c.Connectedness == network.Connected)
			for _, conn := range m.host.Network().ConnsToPeer(c.Peer) {
				m.usual.seen(c.Peer, conn.RemoteMultiaddr())
			}
		case out <- next:
			waiting = waiting[1:]
		case <-m.ctx.Done():
			return
		}
	}
}

// inbox holds at most one undelivered event per peer, and none of a peer that
// came and went before the reader heard of it.
type inbox []waitingEvent

type waitingEvent struct {
	PeerEvent
	knew bool // the reader holds the peer for connected
}

func (q *inbox) add(p peer.ID, connected bool) {
	k, err := keyOf(p)
	if err != nil {
		return // refused by the gater: it was never connected
	}
	ev := waitingEvent{PeerEvent: PeerEvent{k, connected}, knew: !connected}
	i := slices.IndexFunc(*q, func(w waitingEvent) bool { return w.Peer == k })
	if i >= 0 {
		ev.knew = (*q)[i].knew
		*q = slices.Delete(*q, i, i+1)
	}
	if connected || ev.knew {
		*q = append(*q, ev)
	}
}
