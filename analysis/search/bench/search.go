package main

import "github.com/evabench/evabench/analysis/search"

// newSearch makes the search that is tried, with what a scenario leaves to it left to
// it. It panics at a subject without an SLO: there is none.
func newSearch(s subject) engine {
	env := environmentOf(s)
	e, err := search.New(env)
	if err != nil {
		panic(err)
	}
	return e
}
