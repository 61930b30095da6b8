package main

import (
	"math"
	"time"

	"github.com/evabench/evabench/analysis/search"
	"github.com/evabench/evabench/results"
)

// newSearch makes the search that is tried, with what a scenario leaves to it left to
// it. It panics at a subject without an SLO: there is none.
func newSearch(s subject, _ uint64) engine {
	env := results.Environment{
		Services: append([]results.Service(nil), s.services...),
		Search: &results.Search{
			Kind: search.Interval, Raise: s.services[0].Name, From: s.from, Grow: 0.15,
			Warmup: 3 * time.Second, Window: 10 * time.Second,
		},
	}
	if !math.IsInf(s.most, 1) {
		env.Search.Most = s.most
	}
	levels := s.levels(s.from)
	for i := range env.Services {
		env.Services[i].Target = &levels[i]
	}
	e, err := search.New(env)
	if err != nil {
		panic(err)
	}
	return e
}
