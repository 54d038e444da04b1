package node

import "conclave/node/store"

// ID says who this node is.
func (n *Node) ID() ID { return idOf(n.me) }

// Stop asks whoever runs this node to end it in order; see StopAsked.
func (n *Node) Stop() {
	n.log.Info("asked to stop")
	n.askStop()
}

// StopAsked is closed when somebody has asked the node to end.
func (n *Node) StopAsked() <-chan struct{} { return n.stopAsked }

// Running reports whether a node has the home, also one that is about to end and
// answers no more.
func Running(home string) (bool, error) {
	held, err := store.Held(home)
	if err != nil {
		return held, homeError(err)
	}
	return held, nil
}
