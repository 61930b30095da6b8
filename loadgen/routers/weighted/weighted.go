// Package weighted sends requests to instances in proportion to their weights,
// as where a whole GPU and a slice of one serve together.
package weighted

import (
	"errors"
	"fmt"
	"slices"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
)

// Config is the arguments of the kind.
type Config struct {
	// Weights are those of the instances in their order, 1 to 1000 each.
	Weights []int `yaml:"weights" json:"weights"`
}

// Kind is weighted for the family's list.
var Kind = kind.New("weighted", "instances by weight, in the order of instances: weighted(3,1)", Config{}, New)

// New makes a router. Of every sum of weights requests each instance gets as
// many as its weight, spread among the others' (the smooth weighted round-robin
// of nginx's ngx_http_upstream_round_robin.c).
func New(c Config) (loadgen.Router, error) {
	if len(c.Weights) == 0 {
		return nil, errors.New("router weighted: there are no weights; say them, as in weighted(3,1)")
	}
	r := &router{weights: slices.Clone(c.Weights), current: make([]int, len(c.Weights)), out: make([]bool, len(c.Weights))}
	for i, w := range c.Weights {
		if w < 1 || w > 1000 {
			return nil, fmt.Errorf("router weighted: weight %d, %d, is not within 1 to 1000", i+1, w)
		}
	}
	return r, nil
}

type router struct {
	weights, current []int
	out              []bool // as it was at the last pick
}

// Fits says whether there are as many instances as weights. One instance alone
// needs none and always fits: a scenario's routing is that of all its services.
func (r *router) Fits(instances int) error {
	if instances != len(r.weights) && instances != 1 {
		return fmt.Errorf("router weighted: %d weights do not fit %d instances", len(r.weights), instances)
	}
	return nil
}

// Pick gives the next in turn. The instances must fit.
func (r *router) Pick(_ int64, _ *loadgen.Request, outstanding []int64) int {
	if len(outstanding) == 1 {
		return 0
	}
	// Turns that are owed among other instances are no measure of those that are in now.
	for i, n := range outstanding {
		if out := n == loadgen.Out; out != r.out[i] {
			r.out[i] = out
			clear(r.current)
		}
	}
	best, total := -1, 0
	for i, w := range r.weights {
		if outstanding[i] == loadgen.Out {
			continue
		}
		r.current[i] += w
		total += w
		if best < 0 || r.current[i] > r.current[best] {
			best = i
		}
	}
	r.current[best] -= total
	return best
}
