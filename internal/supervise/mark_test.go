package supervise

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOrphans ends what a dead supervisor leaves where there is no cgroup, and
// not what a living one has.
func TestOrphans(t *testing.T) {
	living := newHouse(t)
	launch(t, order(t, time.Minute, "family", living.socket))
	others := living.await(4)

	h := newHouse(t)
	o := order(t, time.Minute, "family", h.socket, "deaf")
	o.Mark = "mark/of/this/test" // no folder's name
	c, _ := supervisor(t, o)
	all := h.await(4)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it says that it was killed
	killed := EndOrphans()
	gone(t, all, within)
	// The main process may have ended before, with its supervisor, and an evabench of
	// another test may have ended the others.
	for _, k := range killed {
		if !strings.Contains(k, "(process ") {
			t.Errorf("it tells of %q, want processes", k)
		}
	}
	for name, a := range others {
		if a.over(t, 0) {
			t.Errorf("%s of a living supervisor was ended", name)
		}
	}
}

// TestUnmarked: what is to outlive us has no mark in its environment.
func TestUnmarked(t *testing.T) {
	o := order(t, time.Second)
	o.Argv = []string{"/bin/sh", "-c", "tr '\\0' '\\n' < /proc/$$/environ"}
	for _, o.Unmarked = range []bool{false, true} {
		e := ended(t, launch(t, o))
		marked := slices.ContainsFunc(e.Tail, func(v string) bool { return strings.HasPrefix(v, markEnv+"=") })
		if marked == o.Unmarked || !slices.Contains(e.Tail, "A=1") {
			t.Errorf("unmarked %v: its environment is %q", o.Unmarked, e.Tail)
		}
	}
}
