package supervise

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// dying is a family whose evabench was killed, and whose supervisor gives it a minute
// to end.
func dying(t *testing.T) map[string]arrival {
	t.Helper()
	h := newHouse(t)
	c, all, _ := ordered(t, h, order(t, time.Minute, "family", h.socket, "deaf"))
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it says that it was killed
	return all
}

// TestEnding waits for what a killed evabench had started, while its supervisor lets
// it end, and then for nothing.
func TestEnding(t *testing.T) {
	all := dying(t)
	var told []string
	err := Ending(t.Context(), within, func(names []string) {
		told = names
		for name, a := range all {
			if a.over(t, 0) {
				t.Errorf("%s was not let end", name)
			}
			if _, err := a.conn.Write([]byte("exit 0\n")); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "(process ") }) {
		t.Errorf("Ending() = %v, and told %q", err, told)
	}
	gone(t, all, 0)
}

// TestEndingTakesTooLong: what has not ended by then is ended as an orphan is. Who is
// interrupted waits no longer.
func TestEndingTakesTooLong(t *testing.T) {
	all := dying(t)
	enough := errors.New("enough")
	over, cancel := context.WithCancelCause(t.Context())
	if err := Ending(over, within, func([]string) { cancel(enough) }); !errors.Is(err, enough) {
		t.Errorf("interrupted: %v", err)
	}
	if err := Ending(t.Context(), time.Nanosecond, func([]string) {}); err != nil {
		t.Error(err)
	}
	if killed := EndOrphans(); len(killed) == 0 {
		t.Error("it tells of nothing that was killed")
	}
	gone(t, all, within)
}
