package supervise

import (
	"syscall"
	"testing"
	"time"
)

// TestKillEndsTheTreeAtOnce kills a family that has a minute to end by itself:
// none of it is left, and no signal but SIGKILL came before.
func TestKillEndsTheTreeAtOnce(t *testing.T) {
	h := newHouse(t)
	p := launch(t, order(t, time.Minute, "family", h.socket))
	all := h.await(4)
	if err := p.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone(t, all, soon)
	if e, ok := p.Exit(); !ok || e.Signal != syscall.SIGKILL {
		t.Errorf("ended by %+v, %v; want SIGKILL", e, ok)
	}
	if err := p.Kill(t.Context()); err != nil {
		t.Errorf("a second kill: %v", err)
	}
}
