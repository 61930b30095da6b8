package search

import (
	"fmt"
	"math"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/stats"
)

// longestForAnswers is the longest window that is made so long for answers that come seldom.
const longestForAnswers = time.Hour

// confirmation is how long a confirmation at a load lasts: as long as is usual, and as every
// clause's percentile takes to be known (wanted). A window that would be longer than an hour,
// than half the budget or than what is left of it stays as long as is usual: one between
// says no more.
func (c *Capacity) confirmation(load float64) (window, wanted time.Duration) {
	window = c.plans.confirm(c.rateAt(load))
	wanted = window
	for k, clause := range c.clauses {
		if rate := c.answersAt(k, load); rate > 0 {
			wanted = max(wanted, seconds(clause.answers()/rate).Round(100*time.Millisecond))
		}
	}
	most := longestForAnswers
	if all := c.search.Budget; all > 0 {
		most = min(most, all/2, all-c.settle()-seconds(c.spent))
	}
	if wanted <= most {
		window = wanted
	}
	return window, wanted
}

// answers is how many a window is to have for a percentile to be known: the fewest that tell
// it, and three standard deviations of a Poisson count more, as windows differ.
func (c clause) answers() float64 {
	if c.quantile == 0 {
		return 0
	}
	n := float64(stats.MinSamples(c.quantile))
	return n + 3*math.Sqrt(n)
}

// answersAt guesses how many answers a second a clause judges at a load: from the
// confirmations if there are any, else from all steps whose queue did not grow; 0 if nothing
// tells.
func (c *Capacity) answersAt(k int, load float64) float64 {
	raised := c.ray.raised < 0 || c.clauses[k].service == c.ray.raised
	n, times := 0.0, 0.0 // times is seconds, of what is raised at this load
	count := func(l look) {
		if len(l.probe.Counts) == 0 || l.beyond {
			return
		}
		share := 1.0
		if raised {
			share = l.load / load
		}
		n, times = n+l.probe.Counts[k].N, times+l.probe.Seconds*share
	}
	for _, l := range c.looks[len(c.looks)-len(c.confirmed):] {
		count(l)
	}
	if n == 0 {
		for _, l := range c.looks {
			count(l)
		}
	}
	if n == 0 {
		count(c.known)
	}
	if n > 0 {
		return n / times
	}
	if level := c.ray.at(load)[c.clauses[k].service]; level.Unit == "req/s" && c.clauses[k].class == "" {
		return level.Value
	}
	return 0
}

// stillUnknown goes on from a confirmation that missed nothing and had too few answers for a
// percentile: a lower load has no more of them, and a longer window has.
func (c *Capacity) stillUnknown(l look) {
	window, wanted := c.confirmation(l.load)
	if window == wanted && len(c.confirmed) < mostConfirmations {
		return
	}
	why := fmt.Sprintf("no load could be signed: at %g %s %s, which takes a window of %s", l.load, c.ray.words(), l.unknown, wanted.Round(time.Second))
	if c.state == "" {
		c.bounds()
		c.end(analysis.CapacityUnfinished, why)
		return
	}
	c.why = join(c.why, why)
	c.stage = ended
}

// atMost ends the climb at the largest load that may be asked for, where it met the SLO, by
// a confirmation there. A race confirms only what it chose.
func (c *Capacity) atMost(l look) {
	if c.short {
		c.above = l.load
		why := c.metAtMost(l.load)
		if l.unknown != "" {
			why = join(why, "but "+l.unknown)
		}
		c.end(analysis.CapacityAlways, why)
		return
	}
	c.stage, c.next = confirming, l.load
}

func (c *Capacity) metAtMost(load float64) string {
	return fmt.Sprintf("the SLO is met at %g %s, the largest load that may be asked for", load, c.ray.words())
}
