package luck

import (
	"math"
	"math/rand/v2"
	"sync"

	"gonum.org/v1/gonum/stat/distuv"
)

// load solves for the utilisation at which the plain queue keeps the usual share of
// arrivals waiting for longer than wait mean gaps.
func (l Law) load(wait, usual float64) float64 {
	if l.Shape == 1 {
		return solve(usual, 30, func(load float64) float64 { return waiting(wait, load) })
	}
	return simulated(l.Shape, wait, usual)
}

// solve finds the load below 1 at which a share that grows with it is share, by so many
// halvings.
func solve(share float64, halvings int, of func(load float64) float64) float64 {
	low, high := 0.0, 1.0
	for range halvings {
		middle := (low + high) / 2
		if of(middle) > share {
			high = middle
		} else {
			low = middle
		}
	}
	return low
}

// waiting is the share of Poisson arrivals at a queue of one server that wait for longer than
// wait, where services take the time service; both are in mean gaps, and service is below 1.
//
// Source: Franx, "A simple solution for the M/D/c waiting time distribution", Operations
// Research Letters 29 (2001); the distribution of the number in the system by Ramaswami's
// recursion ("A stable recursion for the steady state vector in Markov chains of M/G/1
// type", Stochastic Models 4, 1988). All terms of both are positive, so that nothing cancels.
func waiting(wait, service float64) float64 {
	k := int(wait/service) + 1 // (k-1)·service ≤ wait < k·service
	number := numbers(service, k)
	u := float64(k)*service - wait
	within, term := 0.0, math.Exp(-u)
	atMost := make([]float64, k) // of arrivals, those before whom at most so many wait
	sum := number[0]
	for i := range atMost {
		sum += number[i+1]
		atMost[i] = sum
	}
	for j := range k { // j come while u passes
		within += atMost[k-1-j] * term
		term *= u / float64(j+1)
	}
	return math.Max(0, 1-within)
}

// numbers is the stationary distribution of the number in the system, from 0 to n, where
// services take the time service in mean gaps.
func numbers(service float64, n int) []float64 {
	tail := make([]float64, n+2) // by j, the share of services in which j come or more
	term, below := math.Exp(-service), 0.0
	for j := range tail {
		tail[j] = math.Max(0, 1-below)
		below += term
		term *= service / float64(j+1)
	}
	p := make([]float64, n+1)
	p[0] = 1 - service
	for i := 1; i <= n; i++ {
		sum := p[0] * tail[i]
		for j := 1; j < i; j++ {
			sum += p[j] * tail[i-j+1]
		}
		p[i] = sum / (1 - tail[1])
	}
	return p
}

// simulatedGaps is how many gaps a simulation has: a usual share of 0.01 is known to some
// percent by them, and a capacity to a tenth of a percent.
const simulatedGaps = 1 << 22

// A node is where a simulation was made: what it came to is kept, since a search asks for
// the same or nearly so with every step.
type node struct {
	shape, usual float64
	at           int // of a wait of 2^(at/4) gaps
}

var simulations struct {
	sync.Mutex
	gaps  map[float64][]float32 // by shape, of mean 1
	loads map[node]float64
}

// simulated is load for gaps that no formula is known for: by simulation at two waits near
// by, between which spare·wait, which hardly changes, is taken for straight.
func simulated(shape, wait, usual float64) float64 {
	simulations.Lock()
	defer simulations.Unlock()
	x := 4 * math.Log2(wait)
	at := math.Floor(x)
	spare := func(at float64) float64 {
		return (1 - simulate(node{shape, usual, int(at)})) * math.Exp2(at/4)
	}
	between := spare(at) + (x-at)*(spare(at+1)-spare(at))
	return math.Max(0, 1-between/wait)
}

// simulate is called with simulations locked.
func simulate(n node) float64 {
	if load, ok := simulations.loads[n]; ok {
		return load
	}
	if simulations.loads == nil {
		simulations.loads, simulations.gaps = map[node]float64{}, map[float64][]float32{}
	}
	gaps := simulations.gaps[n.shape]
	if gaps == nil {
		gaps = make([]float32, simulatedGaps)
		gamma := distuv.Gamma{Alpha: n.shape, Beta: n.shape, Src: rand.NewPCG(1, 2)}
		for i := range gaps {
			gaps[i] = float32(gamma.Rand())
		}
		simulations.gaps[n.shape] = gaps
	}
	wait := math.Exp2(float64(n.at) / 4)
	load := solve(n.usual, 18, func(load float64) float64 {
		over, w := 0, 0.0
		for _, g := range gaps {
			if w += load - float64(g); w < 0 {
				w = 0
			} else if w > wait {
				over++
			}
		}
		return float64(over) / float64(len(gaps))
	})
	simulations.loads[n] = load
	return load
}
