package main

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/evabench/evabench/internal/roofline"
	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// A reading is what one client did once. NaN is unknown.
type reading struct {
	perSecond   float64 // requests, as the server counted them
	cpu         float64 // seconds a request
	peak        float64 // bytes resident
	connections float64
	late        results.RateLateness // of an open loop; N 0: unknown
	quantiles   map[float64]float64  // of latency as the client reports it, s
	streams     *results.StreamRoof
	lost        int64   // requests of ours without a sample, or the other way round
	others      float64 // share of the machine that others used
	stolen      float64 // share of it that its host took
	fault       string
}

// edge is how many parts of time at both ends of a load are not looked at.
const edge = 3

// steady is the rate of requests between a load's beginning and its end.
func steady(s stub.Stats) float64 {
	most := slices.Max(append([]int64{0}, s.Parts...))
	from, to := -1, 0
	for i, n := range s.Parts {
		if n*20 >= most && n > 0 {
			if from < 0 {
				from = i
			}
			to = i + 1
		}
	}
	if from < 0 || to-from <= 2*edge+2 {
		return math.NaN()
	}
	sum := int64(0)
	for _, n := range s.Parts[from+edge : to-edge] {
		sum += n
	}
	return float64(sum) / (float64(to-from-2*edge) * stub.Part.Seconds())
}

// onGrid tells how late arrivals were against the even grid of their rate that
// fits them best, for clients that do not tell when a request was due: one request
// in a hundred counts as early, so that a client that is always late by the same
// is not late. The first second is left out.
func onGrid(seen []stub.Arrival, rate int) results.RateLateness {
	slices.SortFunc(seen, func(a, b stub.Arrival) int { return cmp.Compare(a.First, b.First) })
	if len(seen) == 0 {
		return results.RateLateness{}
	}
	from := seen[0].First + int64(time.Second)
	first, _ := slices.BinarySearchFunc(seen, from, func(a stub.Arrival, t int64) int { return cmp.Compare(a.First, t) })
	seen = seen[first:]
	if len(seen) < 100 {
		return results.RateLateness{}
	}
	due := make([]int64, len(seen))
	ahead := make([]int64, len(seen))
	for i, a := range seen {
		due[i] = int64(math.Round(float64(i) * 1e9 / float64(rate)))
		ahead[i] = a.First - due[i]
	}
	slices.Sort(ahead)
	for i := range due {
		due[i] += ahead[len(ahead)/100]
	}
	return roofline.Lateness(due, seen, due[0])
}

// quantilesOf gives the quantiles that are compared.
func quantilesOf(all []float64) map[float64]float64 {
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	q := map[float64]float64{}
	for _, p := range told {
		q[p] = all[int(math.Ceil(p*float64(len(all))))-1]
	}
	return q
}

// truth gives the quantiles of latency, counted from intended arrivals, of a
// server that does nothing in the last part of each period: what arrives then is
// taken at the period's end, and so is the answer sent that falls due then.
func truth(g group) map[float64]float64 {
	every, lasts, service := g.server.Stall.Every.Seconds(), g.server.Stall.For.Seconds(), g.server.Delay.Seconds()
	var all []float64
	for i := range int(every * float64(g.rate)) {
		at := float64(i) / float64(g.rate)
		answered := at + service
		switch stalled := every - lasts; {
		case at >= stalled:
			answered = every + service
		case answered >= stalled:
			answered = every
		}
		all = append(all, answered-at)
	}
	return quantilesOf(all)
}

// A spread is the median, the least and the most of some readings. N is 0 if there
// was none.
type spread struct {
	n                int
	median, low, top float64
}

func spreadOf(all []float64) spread {
	all = slices.DeleteFunc(slices.Clone(all), math.IsNaN)
	if len(all) == 0 {
		return spread{median: math.NaN(), low: math.NaN(), top: math.NaN()}
	}
	slices.Sort(all)
	m := all[len(all)/2]
	if len(all)%2 == 0 {
		m = (m + all[len(all)/2-1]) / 2
	}
	return spread{len(all), m, all[0], all[len(all)-1]}
}
