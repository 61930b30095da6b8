package search

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/results"
)

// InterferenceKind is the kind of search, as results.Search spells it, in which one
// service, the neighbour, is raised over fixed loads while the others are held. It looks
// for no capacity, and needs no SLO.
const InterferenceKind = "interference"

// NewInterference makes the steps of one cell from what a run is to record: see
// [InterferencePlans].
func NewInterference(env results.Environment) (*Levels, error) {
	plans, err := InterferencePlans(env)
	return NewLevels(plans), err
}

// InterferencePlans gives a step for each of the search's Loads, in their order, each with
// all services at their Targets and the raised one at the load's share of its own. Where
// that is 0 it stands still: the step has no level of it. Users and cameras are rounded, and
// at least 1. It fails if no service or the only one is raised, or if the loads do not
// ascend from 0 or above.
func InterferencePlans(env results.Environment) ([]results.StepPlan, error) {
	if env.Search == nil {
		return nil, errors.New("the run has no search")
	}
	r, err := newRay(env)
	switch {
	case err != nil:
		return nil, err
	case r.raised < 0:
		return nil, errors.New("interference raises one service, and the run names none")
	case len(r.levels) < 2:
		return nil, errors.New("interference is what one service feels of another, and there is one service")
	case len(env.Search.Loads) < 2:
		return nil, errors.New("interference compares two loads or more")
	}
	var plans []results.StepPlan
	before := math.Inf(-1)
	for _, f := range env.Search.Loads {
		if !(f >= 0 && f > before) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("the loads %g of interference do not ascend from 0 or above", env.Search.Loads)
		}
		before = f
		p := r.beside(f, env.Search.Warmup, env.Search.Window)
		p.Cooldown = results.CooldownOf(p.Window, env.Services)
		plans = append(plans, p)
	}
	return plans, nil
}

// beside makes the step in which the raised service has a share of its level.
func (r ray) beside(share float64, warmup, window time.Duration) results.StepPlan {
	p := results.StepPlan{Purpose: results.PurposeInterference, Warmup: warmup, Window: window}
	p.Levels = r.at(share * r.levels[r.raised].Value)
	var words []string
	for i, l := range p.Levels {
		text := fmt.Sprintf("%s %g %s", l.Service, l.Value, l.Unit)
		if i == r.raised && share == 0 {
			text = l.Service + " stands still"
		}
		words = append(words, text)
	}
	p.Name = strings.Join(words, ", ")
	if share == 0 {
		p.Levels = slices.Delete(p.Levels, r.raised, r.raised+1)
	}
	return p
}
