package search

import (
	"time"

	"github.com/evabench/evabench/results"
)

// quotedSteps is how many steps of the climb are reckoned with.
const quotedSteps = 7

// Quote says what the search of one cell is likely to cost under load, before it begins:
// on the assumption that the capacity is twice the first load. A capacity that is lower
// costs more, since the same number of requests takes longer. Of users, whose requests
// a second are not known, it is the least that it costs. The search says again what
// it costs, more surely, when it has bracketed the capacity. A ladder's price is not
// known before; of a frontier it is that of all its mixes.
func Quote(env results.Environment) (time.Duration, error) {
	if env.Search != nil && env.Search.Kind == FrontierKind {
		return quoteFrontier(env)
	}
	c, err := New(env)
	if err != nil {
		return 0, err
	}
	load := c.ray.settle(2*c.next, c.search.Most)
	rate := c.rateAt(load)
	c.plans.aim(c.toleranceAt(load), c.plans.settle)
	confirm, _ := c.confirmation(load)
	whole := func(window time.Duration) time.Duration {
		return c.plans.settle + window + results.CooldownOf(window, c.env.Services)
	}
	price := quotedSteps*whole(c.plans.climb(rate)) + time.Duration(c.plans.probes)*whole(c.plans.probe(rate, c.plans.settle)) + whole(confirm)
	if c.search.Heavy {
		price += whole(confirm)
	}
	return price, nil
}
