package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// aloneSeed keeps these requests apart from those of readiness, warm-up and steps.
const aloneSeed = 0x501e5eed

// aloneSessions is how many sessions of each class one instance is asked.
const aloneSessions = 5

// alone measures how long requests take while nothing else runs: each instance in its
// turn is asked whole sessions, one request at a time. What a step's requests take more is
// queueing, and what running beside others costs. It takes at most half of each
// service's Warm, shared over its instances, and the request that is under way then.
//
// Note: the warm-up's own rounds were to serve. They are of as many requests at once as
// there are workers, of the first calls of sessions only, and all instances
// are warmed up side by side, on one GPU too.
func (r *cellRun) alone(ctx context.Context, up []running) error {
	of := map[*Service][]running{}
	var order []*Service
	for _, u := range up {
		if u.of.Warm <= 0 {
			continue
		}
		if of[u.of] == nil {
			order = append(order, u.of)
		}
		of[u.of] = append(of[u.of], u)
	}
	if len(order) == 0 {
		return nil
	}
	return r.during("alone", func() error {
		for _, s := range order {
			until := time.Now().Add(s.Warm / 2)
			share := s.Warm / 2 / time.Duration(len(of[s]))
			for i, u := range of[s] {
				c := calibration{u: u, until: earlier(until, time.Now().Add(share))}
				seed := (r.cell.Seed ^ aloneSeed) + uint64(i)*0x9e3779b97f4a7c15
				err := c.run(ctx, u.workload(r.record.Nonce), seed)
				r.record.Warmed = append(r.record.Warmed, c.classes...)
				if c.failure != "" {
					r.warning(results.Warning{Code: "floor-unknown", Subject: u.service.Info().Name, Count: 1,
						Text: fmt.Sprintf("a request that was alone at the instance failed after %s: %s; how long requests take alone is not known of all classes", units.Plural(c.asked, "other"), c.failure)})
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// A calibration is that of one instance.
type calibration struct {
	u       running
	until   time.Time
	classes []results.Warmed // in the order of their first request
	asked   int
	failure string
}

// run asks sessions until there were enough of each class that they begin with, the time
// is up, or a request fails.
func (c *calibration) run(ctx context.Context, workload loadgen.Workload, seed uint64) error {
	wanted := 1
	if w, ok := workload.(loadgen.Classed); ok {
		wanted = len(w.Classes())
	}
	begun, enough := map[string]int{}, 0
	for n := int64(0); n < sessionsForClasses && enough < wanted; n++ {
		session := workload.Session(seed, n)
		first := session.Next(-1, nil)
		if len(first) == 0 || begun[first[0].Class] == aloneSessions {
			continue
		}
		more, err := c.session(ctx, session, first)
		if err != nil || !more {
			return err
		}
		if begun[first[0].Class]++; begun[first[0].Class] == aloneSessions {
			enough++
		}
	}
	return nil
}

// session asks one session's requests, one after another, and reports whether there may be
// more.
func (c *calibration) session(ctx context.Context, session loadgen.Session, next []*loadgen.Request) (more bool, err error) {
	name := c.u.service.Info().Name
	next = append([]*loadgen.Request(nil), next...)
	for call := 0; call < len(next); call++ {
		if !time.Now().Before(c.until) {
			return false, nil
		}
		start := time.Now()
		a, err := c.u.ask(ctx, next[call], c.u.of.Timeout)
		took := time.Since(start)
		switch {
		case c.u.service.Err() != nil:
			return false, fmt.Errorf("%s%s ended while it was asked one request at a time: %w", name, onDevice(c.u.on), c.u.service.Err())
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case err != nil:
			return false, fmt.Errorf("%s: ask one request at a time: %w", name, err)
		case a.Outcome != results.OK:
			c.failure = fmt.Sprintf("%s: %s", a.Outcome, a.Detail)
			return false, nil
		}
		c.asked++
		c.add(name, next[call].Class, took)
		next = append(next, session.Next(call, &a)...)
	}
	return true, nil
}

func (c *calibration) add(name, class string, took time.Duration) {
	for i := range c.classes {
		if c.classes[i].Class == class {
			c.classes[i].Rounds = append(c.classes[i].Rounds, took)
			return
		}
	}
	c.classes = append(c.classes, results.Warmed{Instance: name, Class: class, Parallel: 1, Rounds: []time.Duration{took}, Alone: true})
}
