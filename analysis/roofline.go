package analysis

import (
	"fmt"

	"github.com/evabench/evabench/results"
)

// RooflineLimit is the share of what the client can do above which a step is
// warned of: what is then left for a moment of more load, or for a neighbour on
// the client's machine, is less than what is used.
const RooflineLimit = 0.5

// A demand is what one service asked of the client in a step, by its own clock.
type demand struct {
	requests, bodies, chunks float64 // of requests, bytes and chunks a second
}

// demandOf reads a service's demand off what was sent. Scale is how many seconds
// of a simulated server passed in one of the client's.
func (t *serviceTally) demandOf(w window, scale float64) demand {
	perSecond := max(scale, 1) / w.seconds()
	return demand{float64(t.sentOfWindow) * perSecond, float64(t.sentBytes) * perSecond, float64(t.chunks) * perSecond}
}

// share gives the part of what the client can do, as it was measured on its
// machine, that demands take together:
//
//	Σ requests·c0 + bodies·c1 + chunks·c2
//
// where c0 is what a small request takes, 1/(small requests a second); c1 what
// each byte of a body takes beyond that, (1/images a second - c0)/(bytes of an
// image); and c2 what a chunk of a stream takes, 0.85/(tokens a second at 85 % of
// a core). Each is the time of a client that does nothing else.
func share(s *results.SelfTest, demands []demand) Value {
	const unit = "ratio"
	if s == nil || s.Small == nil || s.Images == nil || s.Small.PerSecond <= 0 || s.Images.PerSecond <= 0 || s.Images.BodyBytes <= s.Small.BodyBytes {
		return unknown(unit, "what the client can do was not measured")
	}
	c0 := 1 / s.Small.PerSecond
	c1 := max(0, 1/s.Images.PerSecond-c0) / float64(s.Images.BodyBytes-s.Small.BodyBytes)
	sum := 0.0
	for _, d := range demands {
		sum += d.requests*c0 + d.bodies*c1
		if d.chunks == 0 {
			continue
		}
		if s.Streams == nil || s.Streams.PerSecondAt85 <= 0 {
			return unknown(unit, "what the client can do with streams was not measured")
		}
		sum += d.chunks * 0.85 / s.Streams.PerSecondAt85
	}
	return known(sum, unit)
}

// nearRoofline warns of a step that asks for much of what the client can do.
func nearRoofline(share Value) (results.Warning, bool) {
	if !share.Known() || *share.Number <= RooflineLimit {
		return results.Warning{}, false
	}
	return results.Warning{Code: "client-near-roofline", Count: 1, Text: fmt.Sprintf(
		"the step took %.0f %% of what this client can do on its machine (evabench selftest), more than %.0f %%: its own lateness may show in latencies",
		*share.Number*100, RooflineLimit*100)}, true
}
