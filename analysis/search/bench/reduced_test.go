package main

import (
	"testing"
	"time"
)

// A reduced form of the bench: of so few searches the shares are known to 20 points,
// so that only what is clearly broken fails. Of 20 searches that are right in 90 %, 13
// or fewer are in 0.3 % of all draws; the draws are fixed.
func TestReduced(t *testing.T) {
	const least = 14
	for _, name := range []string{"slow", "contention-25", "never", "always"} {
		some, err := chosen(name)
		if err != nil {
			t.Fatal(err)
		}
		r := tryAll(some[0], options{runs: 20})
		if !r.subject.found() {
			right := countOf(r.trials, func(t trial) bool { return t.capacity.State == r.subject.truth.State })
			if right.hits < least {
				t.Errorf("%s: %d of %d ended as %s; others: %s", name, right.hits, right.n, r.subject.truth.State, others(r))
			}
			continue
		}
		accurate, honest, priced := countOf(r.trials, within), countOf(r.trials, r.covers), countOf(r.trials, inPrice)
		if accurate.hits < least || honest.hits < least || priced.hits < least {
			t.Errorf("%s: of %d searches %d are within the tolerance, %d intervals cover the truth, %d cost at most 1.5 times the quote\n%s",
				name, accurate.n, accurate.hits, honest.hits, priced.hits, accuracy([]row{r}))
		}
		// What a search says it spent is what it was under load.
		for i, x := range r.trials {
			if said := number(x.capacity.Spent); said < 0.99*x.seconds || said > 1.01*x.seconds+1 {
				t.Errorf("%s: search %d says that it spent %s, and spent %s", name, i, time.Duration(said*1e9), time.Duration(x.seconds*1e9))
			}
		}
	}
}
