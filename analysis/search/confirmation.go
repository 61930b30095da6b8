package search

import (
	"fmt"
	"math"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// longestForAnswers is the longest window that is made so long for answers that come seldom.
const longestForAnswers = time.Hour

// confirmation is how long a confirmation at a load lasts: as long as is usual, and as every
// clause takes to be known. cannot says which clause no window tells that may be had; then
// there is nothing to confirm, at lower loads even less, since they have no more answers.
func (c *Capacity) confirmation(load float64) (window time.Duration, cannot string) {
	usual := c.plans.confirm(c.rateAt(load))
	most, bound := c.longest()
	window = usual
	for k, clause := range c.clauses {
		if why := c.silent(k); why != "" {
			return usual, fmt.Sprintf("%s cannot be judged: %s", clause.Name, why)
		}
		rate := c.answersAt(k, load)
		if !(rate > 0) {
			continue
		}
		wanted := seconds(clause.answers() / rate).Round(100 * time.Millisecond)
		if wanted > max(usual, most) {
			return usual, fmt.Sprintf("%s cannot be judged: at %g %s it takes a window of %s or more, where one of %s may be had (%s)",
				clause.Name, load, c.ray.words(), wanted.Round(time.Second), max(usual, most).Round(time.Second), bound)
		}
		window = max(window, wanted)
	}
	return window, ""
}

// longest is how long a window may be made for the sake of answers, and what bounds it.
func (c *Capacity) longest() (most time.Duration, bound string) {
	most, bound = longestForAnswers, "the longest there is"
	all := c.search.Budget
	if all <= 0 {
		return most, bound
	}
	if all/2 < most {
		most, bound = all/2, "half of the budget"
	}
	left := all - c.settle() - results.CooldownOf(0, c.env.Services) - seconds(c.spent)
	left -= results.CooldownOf(left, c.env.Services) - results.CooldownOf(0, c.env.Services) // of windows that are longer, it is longer
	if left < most {
		most, bound = left, "what is left of the budget"
	}
	return most, bound
}

// silent says why no window tells a clause: every step so far was without a word of it.
// Empty if one was not, or if there was none.
func (c *Capacity) silent(k int) string {
	why := ""
	for _, l := range c.seen() {
		if l.ended {
			continue
		}
		if l.silent[k] == "" {
			return ""
		}
		why = l.silent[k]
	}
	return why
}

// seen are the looks at this deployment, and that at an earlier one if there was.
func (c *Capacity) seen() []look {
	if len(c.known.probe.Counts) == 0 {
		return c.looks
	}
	return append([]look{c.known}, c.looks...)
}

// answers is how many a window is to have for a clause to be known: the fewest that tell it,
// and of a percentile three standard deviations of a Poisson count more, as windows differ; 0
// of a clause that judges no answers one by one.
func (c clause) answers() float64 {
	switch {
	case c.quantile > 0:
		n := float64(stats.MinSamples(c.quantile))
		return n + 3*math.Sqrt(n)
	case c.hard || c.Allowed < 1: // errors
		return 1
	}
	return 0
}

// answersAt guesses how many answers a second a clause judges at a load: from the
// confirmations if they had any, else from all steps whose queue did not grow. Where none
// came it is the most that there may be, by the rule of three; 0 if nothing tells.
func (c *Capacity) answersAt(k int, load float64) float64 {
	n, times := c.answered(k, load, c.looks[len(c.looks)-len(c.confirmed):])
	if n == 0 {
		n, times = c.answered(k, load, c.seen())
	}
	if n > 0 {
		return n / times
	}
	if level := c.ray.at(load)[c.clauses[k].service]; level.Unit == "req/s" && c.clauses[k].class == "" {
		return level.Value
	}
	if times > 0 {
		return 3 / times
	}
	return 0
}

// answered counts a clause's answers in looks, and their seconds, of what is raised at a load.
func (c *Capacity) answered(k int, load float64, looks []look) (n, times float64) {
	raised := c.ray.raised < 0 || c.clauses[k].service == c.ray.raised
	for _, l := range looks {
		if l.beyond {
			continue
		}
		share := 1.0
		if raised {
			share = l.load / load
		}
		n, times = n+l.probe.Counts[k].N, times+l.probe.Seconds*share
	}
	return n, times
}

// stillUnknown goes on from a confirmation that missed nothing and did not tell a clause: a
// lower load has no more answers, and a longer window has.
func (c *Capacity) stillUnknown(l look) {
	_, cannot := c.confirmation(l.load)
	if cannot == "" && len(c.confirmed) < mostConfirmations {
		return
	}
	why := fmt.Sprintf("no load could be signed: at %g %s %s", l.load, c.ray.words(), l.unknown)
	if cannot != "" {
		why = "no load could be signed: " + cannot
	}
	if c.state == "" {
		c.bounds()
		c.end(analysis.CapacityUnfinished, why)
		return
	}
	c.why = join(c.why, why)
	c.stage = ended
}

// atMost ends the climb at the largest load that may be asked for, where it met the SLO, by
// a confirmation there. A race confirms only what it chose, and has a look that tells all.
func (c *Capacity) atMost(l look) {
	why, longer := c.told(l.load)
	switch {
	case why != "":
		c.bounds()
		c.end(analysis.CapacityUnfinished, fmt.Sprintf("at %g %s, the largest load that may be asked for, nothing is missed, but %s", l.load, c.ray.words(), why))
	case !c.short:
		c.stage, c.next, c.long = confirming, l.load, 0
	case !longer:
		c.above = l.load
		c.end(analysis.CapacityAlways, c.metAtMost(l.load))
	}
}

// told asks of a load that is to be called met whether a look at it told every clause. If
// none did, the load is looked at again for as long as that takes, or why says why it is
// not.
func (c *Capacity) told(load float64) (why string, longer bool) {
	for _, l := range c.looks {
		if l.load != load || !l.met {
			continue
		}
		if l.unknown == "" {
			return "", false
		}
		why = l.unknown
	}
	window, cannot := c.confirmation(load)
	switch {
	case cannot != "":
		return cannot, false
	case c.lengthened == mostLengthened:
		return why, false
	}
	c.lengthened++
	c.next, c.long = load, window
	return "", true
}

// mostLengthened is how many steps of a search are made longer, so that they tell a clause.
const mostLengthened = 3

func (c *Capacity) metAtMost(load float64) string {
	return fmt.Sprintf("the SLO is met at %g %s, the largest load that may be asked for", load, c.ray.words())
}
