// Package roundrobin sends requests to a service's instances in turn, as the
// router in front of EVA's language models does.
package roundrobin

import (
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
)

// Config has no arguments.
type Config struct{}

// Kind is round-robin for the family's list.
var Kind = kind.New("round-robin", "instances in turn", Config{}, New)

// New makes a router that begins at the first instance.
func New(Config) (loadgen.Router, error) { return &router{}, nil }

type router struct{ next uint64 }

func (r *router) Pick(_ int64, _ *loadgen.Request, outstanding []int64) int {
	for {
		i := r.next % uint64(len(outstanding))
		r.next++
		if outstanding[i] != loadgen.Out {
			return int(i)
		}
	}
}
