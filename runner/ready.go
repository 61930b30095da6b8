package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// readySeed keeps the readiness requests apart from the steps' requests, so
// that no cache has seen what is measured.
const readySeed = 0x5eed0fbadf00d

// tellWaiting is how often it is told what is waited for.
const tellWaiting = 10 * time.Second

// patience is how long an instance may fail to connect, and how long it may
// give other answers than the right one, before it is given up.
type patience struct{ connect, answer time.Duration }

// A launched service loads its models meanwhile; one that runs already is
// expected to answer.
var (
	launched       = patience{5 * time.Minute, 5 * time.Minute}
	runningAlready = patience{5 * time.Second, 2 * time.Minute}
)

// patience is what the instance's launcher says, or what is usual.
func (u running) patience() patience {
	if p, ok := u.of.Launcher.(services.Patient); ok {
		return patience{p.Patience(), p.Patience()}
	}
	if _, ok := u.of.Launcher.(services.Fixed); ok {
		return runningAlready
	}
	return launched
}

// less is what is left of the patience after a while.
func (p patience) less(spent time.Duration) patience {
	return patience{p.connect - spent, p.answer - spent}
}

// gone reports whether an answer that is not right ends the patience.
func (p patience) gone(a loadgen.Answer, since time.Duration) bool {
	switch a.Outcome {
	case results.HTTP4xx, results.Cancelled:
		return true // asking again will not change it
	case results.Connect:
		return since >= p.connect
	default:
		return since >= p.answer
	}
}

// sessionsForClasses is how many sessions are looked through for classes that
// had no answer yet; a class rarer than this is warmed by the step's warm-up.
const sessionsForClasses = 256

// ready waits until one instance is ready: its own page says so, it has given a
// right answer to every request of a session of every class that sessions begin
// with (or of one session if the workload does not tell them), and it is what
// the configuration asks for.
func (u running) ready(ctx context.Context, seed uint64, nonce string) error {
	workload := u.workload(nonce)
	start := time.Now()
	if err := u.isUp(ctx); err != nil {
		return err
	}
	u.waits = u.patience().less(time.Since(start))
	wanted := 1
	if w, ok := workload.(loadgen.Classed); ok {
		wanted = len(w.Classes())
	}
	answered := map[string]bool{}
	for n := int64(0); len(answered) < wanted && n < sessionsForClasses; n++ {
		session := workload.Session(seed, n)
		first := session.Next(-1, nil)
		if len(first) == 0 || answered[first[0].Class] {
			continue
		}
		if err := u.answers(ctx, session, first); err != nil {
			return err
		}
		answered[first[0].Class] = true
	}
	if u.service.Err() != nil { // another server may have answered at its address
		return u.endedEarly()
	}
	return u.identified(ctx, start)
}

// workload is the service's, with the cell's nonce if it takes one.
func (u running) workload(nonce string) loadgen.Workload {
	if w, ok := u.of.Workload.(loadgen.Nonced); ok {
		return w.WithNonce(nonce)
	}
	return u.of.Workload
}

// identified waits until the instance says that it is what the configuration
// asks for, if it can tell. One that was launched may still be starting workers,
// and is asked until its patience since start is over; one that runs already is
// asked once.
func (u running) identified(ctx context.Context, start time.Time) error {
	i, ok := u.service.(services.Identified)
	if !ok {
		return nil
	}
	limit := u.patience().answer
	if u.patience() == runningAlready {
		limit = 0
	}
	for {
		err := identify(ctx, i)
		switch {
		case err == nil:
			return nil
		case u.service.Err() != nil:
			return u.endedEarly()
		case time.Since(start) >= limit || !pause(ctx, 200*time.Millisecond):
			return u.notReady("it is not what the configuration asks for: " + err.Error())
		}
	}
}

// identifyWithin bounds one question who an instance is, which may be a few.
const identifyWithin = 30 * time.Second

// identify asks once.
func identify(ctx context.Context, i services.Identified) error {
	ctx, cancel := context.WithTimeout(ctx, identifyWithin)
	defer cancel()
	return i.Identify(ctx)
}

// identifyAgain asks every instance that can tell, after the last step, whether
// it still is what was measured.
func (r *cellRun) identifyAgain(ctx context.Context, up []running) error {
	var faults []error
	for _, u := range up {
		if i, ok := u.service.(services.Identified); ok {
			if err := identify(ctx, i); err != nil {
				faults = append(faults, fmt.Errorf("after the load %s is not what the configuration asks for any more, so its steps may not be either: %w", u.service.Info().Name, err))
			}
		}
	}
	return errors.Join(faults...)
}

// isUp waits until the instance's own page says that it is up, if it has one.
func (u running) isUp(ctx context.Context) error {
	c, ok := u.service.(services.Checked)
	if !ok {
		return nil
	}
	limit := u.patience().answer
	for start := time.Now(); ; {
		asking, cancel := context.WithTimeout(ctx, min(checkWithin, max(limit-time.Since(start), time.Second)))
		err := c.Check(asking)
		cancel()
		switch {
		case err == nil:
			return nil
		case u.service.Err() != nil:
			return u.endedEarly()
		case time.Since(start) >= limit || !pause(ctx, 200*time.Millisecond):
			return u.notReady(err.Error() + u.longer())
		}
	}
}

// checkWithin bounds one question to an instance's own page.
const checkWithin = 5 * time.Second

// endedEarly is the fault of an instance that ended while it was waited for.
func (u running) endedEarly() error {
	return fmt.Errorf("%s%s ended before it was ready: %w", u.service.Info().Name, onDevice(u.on), u.service.Err())
}

// answers sends one session's requests one after another; each is asked again
// until it is answered rightly or patience ends.
func (u running) answers(ctx context.Context, session loadgen.Session, first []*loadgen.Request) error {
	next := slices.Clone(first)
	for call := 0; call < len(next); call++ {
		a, err := u.insist(ctx, next[call])
		if err != nil {
			return err
		}
		next = append(next, session.Next(call, &a)...)
	}
	return nil
}

// insist asks one request until it is answered rightly.
func (u running) insist(ctx context.Context, q *loadgen.Request) (loadgen.Answer, error) {
	name, patience := u.service.Info().Name, u.waits
	for start := time.Now(); ; {
		// One exchange may take what the service's own limit allows, but not
		// all the patience twice.
		a, err := u.ask(ctx, q, min(u.of.Timeout, max(patience.answer-time.Since(start), time.Second)))
		switch {
		case err != nil:
			return a, fmt.Errorf("%s: prepare a request: %w", name, err)
		case a.Outcome == results.OK:
			return a, nil
		case u.service.Err() != nil:
			return a, u.endedEarly()
		case patience.gone(a, time.Since(start)) || !pause(ctx, 200*time.Millisecond):
			return a, u.notReady(u.got(q, a) + u.next(ctx, a))
		}
	}
}

// ask sends one request, bounded by limit.
func (u running) ask(ctx context.Context, q *loadgen.Request, limit time.Duration) (loadgen.Answer, error) {
	return loadgen.Ask(ctx, u.endpoint, q, limit, u.newLoop)
}

// whileTelling does f, and tells now and then what is waited for: from this
// goroutine, as Bench.Tell is promised.
func (r *cellRun) whileTelling(what string, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	still := time.NewTicker(tellWaiting)
	defer still.Stop()
	for start := time.Now(); ; {
		select {
		case <-still.C:
			r.bench.tell("cell %s: %s since %.0f s", r.cell.Folder, what, time.Since(start).Seconds())
		case err := <-done:
			return err
		}
	}
}

// pause waits, and reports whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
