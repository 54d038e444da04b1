package mesh

import (
	"testing"
	"time"
)

func TestAloneUntilInAMesh(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		a, b := w.node(), w.node()
		var at box
		ta := join(t, a, topicName(1), ids(a, b), at.validate)
		tb := join(t, b, topicName(1), ids(a, b), at.validate)
		for range 2 {
			<-ta.Alone()
			connect(t, a, b)
			awaitReady(t, ta, tb)
			select {
			case <-ta.Alone():
				t.Fatal("alone in a mesh of two")
			default:
			}
			alone := ta.Alone()
			if err := a.Drop(b.ID()); err != nil {
				t.Fatal(err)
			}
			<-alone
			time.Sleep(2 * time.Minute) // until the two may be in one mesh again
		}
	})
}
