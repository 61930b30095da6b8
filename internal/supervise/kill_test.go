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
	gone(t, all, 0)
	if e, ok := p.Exit(); !ok || e.Signal != syscall.SIGKILL {
		t.Errorf("ended by %+v, %v; want SIGKILL", e, ok)
	}
	if err := p.Kill(t.Context()); err != nil {
		t.Errorf("a second kill: %v", err)
	}
}

// TestSignalsDoNotEndTheSupervisor: whoever signals all of ours, and again, leaves
// nothing running without a supervisor.
func TestSignalsDoNotEndTheSupervisor(t *testing.T) {
	o := order(t, time.Minute)
	o.Argv = []string{"/bin/sleep", "1000"}
	p := launch(t, o)
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := p.supervisor.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e, _ := p.Exit(); e.Fault != "" || e.Signal != syscall.SIGTERM {
		t.Errorf("exit %+v", e)
	}
}
