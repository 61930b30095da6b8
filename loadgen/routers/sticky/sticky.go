// Package sticky sends all requests of a session to one instance, which then
// has what it made of the earlier ones in its caches.
package sticky

import (
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
)

// Config has no arguments.
type Config struct{}

// Kind is sticky for the family's list.
var Kind = kind.New("sticky", "all requests of a session to one instance", Config{}, New)

// New makes a router that keeps nothing: where a session goes follows from its
// number and the number of instances, and of k+1 instances the last takes one
// session in k+1 from the others, which keep the rest (rendezvous hashing, Thaler
// and Ravishankar, 1998). Sessions fall as evenly as by lot. Those of an instance
// that is out go to the others, each to its next best, and come back with it.
//
// Note: the session's number modulo the instances would be more even than what
// a router can do that only sees a session's name.
func New(Config) (loadgen.Router, error) { return router{}, nil }

type router struct{}

func (router) Pick(session int64, _ *loadgen.Request, outstanding []int64) int {
	best, most := -1, uint64(0)
	key := mix(uint64(session) + 1)
	for i, n := range outstanding {
		if score := mix(key + uint64(i)); n != loadgen.Out && (best < 0 || score > most) {
			best, most = i, score
		}
	}
	return best
}

// mix is SplitMix64's output function (Steele, Lea and Flood, OOPSLA 2014).
func mix(z uint64) uint64 {
	z *= 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
