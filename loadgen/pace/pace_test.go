package pace

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

var _ loadgen.Waiter = Waiter{}

func TestUntilIsNeverEarly(t *testing.T) {
	origin := results.NewOrigin(time.Now())
	var late []time.Duration
	for i := range 50 {
		// From none of the three stages to all of them.
		at := origin.Now().Add(time.Duration(i) * 100 * time.Microsecond)
		if !(Waiter{}).Until(t.Context(), origin, at) {
			t.Fatal("the moment was not reached")
		}
		if now := origin.Now(); now < at {
			t.Fatalf("returned %v early", at.Sub(now))
		} else {
			late = append(late, now.Sub(at))
		}
	}
	slices.Sort(late)
	t.Logf("late: p50 %v, max %v", late[25], late[49])
}

func TestUntilEndsWithContext(t *testing.T) {
	origin := results.NewOrigin(time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan bool)
	go func() { got <- Waiter{}.Until(ctx, origin, origin.Now().Add(time.Hour)) }()
	cancel()
	if <-got {
		t.Error("an hour was reached at once")
	}
	if (Waiter{}).Until(ctx, origin, origin.Now().Add(-time.Second)) {
		t.Error("a moment was reached after the context's end")
	}
}
