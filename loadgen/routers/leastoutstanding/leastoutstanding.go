// Package leastoutstanding sends each request to the instance that has the
// fewest requests in flight.
package leastoutstanding

import (
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
)

// Config has no arguments.
type Config struct{}

// Kind is least-outstanding for the family's list.
var Kind = kind.New("least-outstanding", "the instance with the fewest requests in flight", Config{}, New)

// New makes a router. Among equals it takes the next after the one it took last:
// always taking the first would keep the later instances idle at low load.
func New(Config) (loadgen.Router, error) { return &router{}, nil }

type router struct{ turn int }

func (r *router) Pick(_ int64, _ *loadgen.Request, outstanding []int64) int {
	n := len(outstanding)
	first, best := r.turn%n, -1
	for i := range n {
		at := (first + i) % n
		if outstanding[at] != loadgen.Out && (best < 0 || outstanding[at] < outstanding[best]) {
			best = at
		}
	}
	r.turn = best + 1
	return best
}
