package roofline

import (
	"fmt"

	"github.com/evabench/evabench/results"
)

// A Demand is what a step asks of the client for one service.
type Demand struct {
	Service string
	// PerSecond is requests a second; BodyBytes the mean size of their bodies.
	PerSecond, BodyBytes float64
	// TokensPerSecond is the tokens that are streamed back.
	TokensPerSecond float64
}

// Demands reads off a plan what is known before it is run: the rate of each open
// loop of single requests. What a closed loop asks depends on the server, and
// what cameras do on their frame rate; they are left out. bodyBytes gives the mean
// body of a service's requests.
func Demands(plan results.StepPlan, bodyBytes func(service string) float64) []Demand {
	var all []Demand
	for _, l := range plan.Levels {
		if l.Unit == "req/s" {
			all = append(all, Demand{Service: l.Service, PerSecond: l.Value, BodyBytes: bodyBytes(l.Service)})
		}
	}
	return all
}

// Warnings tells if the demands together ask for more than half of what the
// client was measured to do. The load on the client is
//
//	u = Σ rate × (c0 + c1 × body) + Σ tokens / tokens at 85 % × 0.85
//
// of one core, where c0 is the time of a small request, and c1 what each further
// byte takes, both from the closed loops: c0 = 1/small, c0 + c1 × image = 1/images.
// Parts that were not measured count nothing.
func Warnings(s results.SelfTest, demands []Demand) []results.Warning {
	const half = 0.5
	load := 0.0
	for _, d := range demands {
		load += d.load(s)
	}
	if load <= half {
		return nil
	}
	most := demands[0]
	for _, d := range demands {
		if d.load(s) > most.load(s) {
			most = d
		}
	}
	return []results.Warning{{
		Code: "client-near-roofline", Subject: most.Service, Count: 1,
		Text: fmt.Sprintf("the step asks for %.0f %% of what this client can do on this machine (evabench selftest); above half of it, "+
			"the client's own lateness may show in latencies; most is asked by %s", load*100, most.Service),
	}}
}

// load is the share of one core that a demand takes.
func (d Demand) load(s results.SelfTest) float64 {
	load := 0.0
	if s.Small != nil && s.Small.PerSecond > 0 {
		each := 1 / s.Small.PerSecond
		if s.Images != nil && s.Images.PerSecond > 0 && s.Images.BodyBytes > s.Small.BodyBytes {
			more := max(1/s.Images.PerSecond-each, 0) / float64(s.Images.BodyBytes-s.Small.BodyBytes)
			each += more * max(d.BodyBytes-float64(s.Small.BodyBytes), 0)
		}
		load += d.PerSecond * each
	}
	if s.Streams != nil && s.Streams.PerSecondAt85 > 0 {
		load += 0.85 * d.TokensPerSecond / s.Streams.PerSecondAt85
	}
	return load
}
