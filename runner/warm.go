package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// warmSeed keeps the warm-up's requests apart from those of readiness and of
// the steps.
const warmSeed = 0x3a9f00d5eed

// warm sends every instance rounds of each class of requests until its service
// time no longer falls, at most for its service's Warm, instances side by side.
// It records how service time fell. A server that ended is a fault; other
// failures are warnings.
func (r *cellRun) warm(ctx context.Context, up []running) error {
	var cold []running
	for _, u := range up {
		if u.of.Warm > 0 {
			cold = append(cold, u)
		}
	}
	if len(cold) == 0 {
		return nil
	}
	what := fmt.Sprintf("warming %s up", units.Plural(len(cold), "instance"))
	r.bench.tell("cell %s: %s", r.cell.Folder, what)
	all := make([]*warming, len(cold))
	for i, u := range cold {
		seed := (r.cell.Seed ^ warmSeed) + uint64(i)*0x9e3779b97f4a7c15
		all[i] = newWarming(u, u.workload(r.record.Nonce), seed)
	}
	err := r.during("warm", func() error {
		group, ctx := errgroup.WithContext(ctx)
		for _, w := range all {
			group.Go(func() error { return w.run(ctx) })
		}
		return r.whileTelling(what, group.Wait)
	})
	for _, w := range all {
		r.record.Warmed = append(r.record.Warmed, w.classes...)
		for _, warning := range w.warnings() {
			r.warning(warning)
		}
	}
	return err
}

// A warming is the warm-up of one instance. One goroutine uses it.
type warming struct {
	u        running
	workload loadgen.Workload
	seed     uint64
	sessions int64 // begun so far

	classes []results.Warmed
	over    map[string]bool // classes that sessions do not have any more
	sent    int64
	failed  int64
	failure string // the first
}

// newWarming makes the warm-up of the classes that sessions begin with, or of
// whatever they begin with if the workload does not tell them.
//
// Note: later calls of a session are asked by readiness, and not here. An Agent's
// session takes a minute on a small slice, and rounds of each of its stages took
// more than the time that there is.
func newWarming(u running, workload loadgen.Workload, seed uint64) *warming {
	w := &warming{u: u, workload: workload, seed: seed, over: map[string]bool{}}
	classes := []string{""}
	if c, ok := workload.(loadgen.Classed); ok {
		classes = c.Classes()
	}
	for _, class := range classes {
		w.classes = append(w.classes, results.Warmed{Instance: u.service.Info().Name, Class: class})
	}
	return w
}

// run sends one round of each class after the other, as real load mixes them,
// until all have settled or the time is up. A round that has begun is ended: a
// request that is given up would go on in the server, into the first step.
func (w *warming) run(ctx context.Context) error {
	until := time.Now().Add(w.u.of.Warm)
	for {
		busy, failed := false, w.failed
		for i := range w.classes {
			c := &w.classes[i]
			if c.Settled || w.over[c.Class] || !time.Now().Before(until) {
				continue
			}
			busy = true
			if err := w.round(ctx, c); err != nil {
				return err
			}
		}
		if !busy {
			return nil
		}
		if w.failed > failed && !pause(ctx, 200*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// round sends one round of a class, and keeps its median service time if all
// was answered rightly.
func (w *warming) round(ctx context.Context, c *results.Warmed) error {
	requests := w.requests(c)
	if requests == nil {
		w.over[c.Class] = true
		return nil
	}
	took := make([]time.Duration, len(requests))
	answers := make([]loadgen.Answer, len(requests))
	faults := make([]error, len(requests))
	var asking sync.WaitGroup
	for i, q := range requests {
		asking.Go(func() {
			start := time.Now()
			answers[i], faults[i] = w.u.ask(ctx, q, w.u.of.Timeout)
			took[i] = time.Since(start)
		})
	}
	asking.Wait()
	name := w.u.service.Info().Name
	switch err := errors.Join(faults...); {
	case w.u.service.Err() != nil:
		return fmt.Errorf("%s%s ended while it was warmed up: %w", name, onDevice(w.u.on), w.u.service.Err())
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("%s: warm up: %w", name, err)
	}
	good := true
	for _, a := range answers {
		w.sent++
		if a.Outcome != results.OK {
			if good = false; w.failed == 0 {
				w.failure = fmt.Sprintf("%s: %s", a.Outcome, a.Detail)
			}
			w.failed++
		}
	}
	if good {
		c.Rounds = append(c.Rounds, median(took))
		c.Settled = settled(c.Rounds)
	}
	return nil
}

// requests makes a round's requests, each of a session of its own: as many as
// the class's model has workers, so that each worker gets warm. It gives none if
// the class is too rare to be found.
func (w *warming) requests(c *results.Warmed) (requests []*loadgen.Request) {
	for n := 1; len(requests) < n; n = c.Parallel {
		q := w.request(c.Class)
		if q == nil {
			return nil
		}
		requests = append(requests, q)
		if c.Parallel > 0 {
			continue
		}
		c.Parallel = 1
		for _, m := range w.u.models {
			if m.Name == q.Model {
				c.Parallel = m.Workers
			}
		}
	}
	return requests
}

// request makes one of a class; nil if it is not found.
func (w *warming) request(class string) *loadgen.Request {
	for range sessionsForClasses {
		first := w.workload.Session(w.seed, w.sessions).Next(-1, nil)
		w.sessions++
		if len(first) > 0 && (class == "" || first[0].Class == class) {
			return first[0]
		}
	}
	return nil
}

// warnings tells of classes whose service time may still fall, and of requests
// that failed.
func (w *warming) warnings() (all []results.Warning) {
	name := w.u.service.Info().Name
	for _, c := range w.classes {
		if c.Settled {
			continue
		}
		text := w.unsettled(c)
		if c.Class != "" {
			text = "class " + c.Class + ": " + text
		}
		all = append(all, results.Warning{Code: "not-settled", Subject: name, Text: text, Count: 1})
	}
	if w.failed > 0 {
		all = append(all, results.Warning{
			Code: "warm-up-failures", Subject: name, Count: w.failed,
			Text: fmt.Sprintf("%d of the %d requests of the warm-up failed, and their rounds do not count; the first: %s", w.failed, w.sent, w.failure),
		})
	}
	return all
}

// unsettled says what is known of a class whose service time may still fall, and
// what helps.
func (w *warming) unsettled(c results.Warmed) string {
	n, of := len(c.Rounds), units.Plural(c.Parallel, "request")
	more := "; give it more time with services." + w.u.of.Name + ".warm"
	switch {
	case w.over[c.Class]:
		return fmt.Sprintf("whether service time still falls is not known: none of %d sessions began with it, so only the steps' own warm-up warms it", sessionsForClasses)
	case c.Parallel == 0:
		return fmt.Sprintf("whether service time still falls is not known: %s of warm-up were over before its turn", w.u.of.Warm) + more
	case n < fewestRounds:
		return fmt.Sprintf("whether service time still falls is not known: %s of warm-up were enough for %s of %s, and it takes %d",
			w.u.of.Warm, units.Plural(n, "round"), of, fewestRounds) + more
	}
	return fmt.Sprintf("service time still fell when %s of warm-up were over: from %s to %s in %d rounds of %s",
		w.u.of.Warm, units.Format(c.Rounds[0].Seconds(), "s"), units.Format(c.Rounds[n-1].Seconds(), "s"), n, of) + more
}

// The rule of settling.
const (
	steadyRounds = 3                // that must not beat the best before them
	fewestRounds = steadyRounds + 1 // with which anything can settle
	stillFalling = 0.95             // of the best before: below, it was beaten
)

// settled reports whether service time no longer falls: the last three rounds
// have not beaten the best of those before them by more than 5 %.
//
// Note: compared with the best, not with the round before: what falls by 2 %
// a round is not settled, and one slow round is no fall after it. Times that
// stay within 10 % of their mean settle after 13 rounds at the latest: every
// third round that is not settled lowers the best by 5 %.
func settled(rounds []time.Duration) bool {
	if len(rounds) < fewestRounds {
		return false
	}
	before, last := rounds[:len(rounds)-steadyRounds], rounds[len(rounds)-steadyRounds:]
	return float64(slices.Min(last)) >= stillFalling*float64(slices.Min(before))
}

// median of at least one time; of an even number it is the mean of the two in
// the middle.
func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
