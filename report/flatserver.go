package report

import (
	"strings"
	"time"

	"github.com/evabench/evabench/analysis"
)

// flatGaps are the times between chunks, of all answers together.
func flatGaps() []flatField {
	gap := func(of func(place) time.Duration) func(place) analysis.Value {
		return func(p place) analysis.Value {
			if p.service.Integrity.Gaps.N == 0 {
				return analysis.Value{Unit: "s", Inapplicable: true, Why: "no answer came in chunks"}
			}
			v := of(p).Seconds()
			return analysis.Value{Number: &v, Unit: "s"}
		}
	}
	return []flatField{
		flatCount("chunk_gap_n", "times between two chunks of content of one answer, of all answers together", func(p place) int64 { return p.service.Integrity.Gaps.N }),
		flatValue("chunk_gap_p50_seconds", "their median, to three digits", gap(func(p place) time.Duration { return p.service.Integrity.Gaps.P50 })),
		flatValue("chunk_gap_p90_seconds", "their quantile 0.9, to three digits", gap(func(p place) time.Duration { return p.service.Integrity.Gaps.P90 })),
		flatValue("chunk_gap_p99_seconds", "their quantile 0.99, to three digits", gap(func(p place) time.Duration { return p.service.Integrity.Gaps.P99 })),
		flatValue("chunk_gap_max_seconds", "the longest", gap(func(p place) time.Duration { return p.service.Integrity.Gaps.Max })),
	}
}

// flatQueue is what is known of requests that waited at the servers.
func flatQueue() []flatField {
	figure := func(of func(analysis.Waiting) analysis.Figure) func(place) analysis.Figure {
		return func(p place) analysis.Figure {
			if len(p.service.Waiting) == 0 {
				return analysis.Figure{Value: analysis.Value{Why: "no page of a server tells of it"}}
			}
			return of(p.service.Waiting[0])
		}
	}
	value := func(of func(analysis.Waiting) analysis.Figure) func(place) analysis.Value {
		return func(p place) analysis.Value { return figure(of)(p).Value }
	}
	depth := func(w analysis.Waiting) analysis.Figure { return w.Depth }
	wait := func(w analysis.Waiting) analysis.Figure { return w.Wait }
	evidence := func(of func(analysis.Waiting) analysis.Figure) func(place) string {
		return func(p place) string {
			f := figure(of)(p)
			if !f.Known() {
				return ""
			}
			return restsOn(f).Text
		}
	}
	return []flatField{
		flatValue("in_flight_requests", "requests between sent and done, mean over time", func(p place) analysis.Value { return p.service.InFlight }),
		flatCount("in_flight_max_requests", "the most of them at once", func(p place) int64 { return p.service.Integrity.PeakInFlight }),
		flatValue("queue_requests", "requests that wait at the servers, mean over time, sum of the instances", value(depth)),
		flatText("queue_evidence", "what queue_requests rests on, A to F, the best first", evidence(depth)),
		flatValue("queue_max_requests", "the most at one instance", value(func(w analysis.Waiting) analysis.Figure { return w.DepthMax })),
		flatValue("queue_wait_mean_seconds", "mean time in the servers' queues", value(wait)),
		flatText("queue_wait_evidence", "what queue_wait_mean_seconds rests on", evidence(wait)),
		flatValue("inference_mean_seconds", "mean time of computing", value(func(w analysis.Waiting) analysis.Figure { return w.Inference })),
		flatValue("backlog_requests", "requests in the servers' frontends or on the way, mean over time", value(func(w analysis.Waiting) analysis.Figure { return w.Backlog })),
		flatValue("batch_requests", "requests that were computed together, mean", value(func(w analysis.Waiting) analysis.Figure { return w.Batch })),
	}
}

// flatTrust is what the figures are worth.
func flatTrust() []flatField {
	lag := func(of func(place) time.Duration) func(place) analysis.Value {
		return func(p place) analysis.Value {
			if p.service.Integrity.Lag.N == 0 {
				return analysis.Value{Unit: "s", Why: "nothing was sent"}
			}
			v := of(p).Seconds()
			return analysis.Value{Number: &v, Unit: "s"}
		}
	}
	client := func(of func(*analysis.Client) analysis.Value) func(place) analysis.Value {
		return func(p place) analysis.Value {
			if p.step.Client == nil {
				return analysis.Value{Why: "the load generator did not tell what it used"}
			}
			return of(p.step.Client)
		}
	}
	fate := func(is string) func(place) int64 {
		return func(p place) (n int64) {
			for _, c := range p.service.SLO {
				if c.Result == is {
					n++
				}
			}
			return n
		}
	}
	return []flatField{
		flatText("objectives", "the SLO's clauses and what became of each: `clause (class): result; …`", func(p place) string {
			var list []string
			for _, c := range p.service.SLO {
				text := c.Clause.Text
				if c.Clause.Class != "" {
					text += " (" + c.Clause.Class + ")"
				}
				list = append(list, text+": "+c.Result)
			}
			return strings.Join(list, "; ")
		}),
		flatCount("objectives_met", "clauses that are met", fate(analysis.Met)),
		flatCount("objectives_not_met", "clauses that are not", fate(analysis.NotMet)),
		flatCount("objectives_unknown", "clauses of which it is not known", fate(analysis.Unknown)),
		flatText("verdict", "what the step measures: valid, client-limited, unsteady, saturated, …", func(p place) string { return p.service.Verdict.Is }),
		flatText("verdict_why", "what the verdict rests on", func(p place) string { return p.service.Verdict.Why }),
		flatText("queue_growth", "whether the backlog grew", func(p place) string { return p.service.Growth.Result }),
		flatText("drift", "whether latency still moved after the warm-up", func(p place) string { return p.service.Drift.Result }),
		flatText("identity", "whether every arrival is accounted for: yes, no", func(p place) string { return yesNo(p.service.Identity.Holds) }),
		flatValue("lag_p50_seconds", "our own lateness, median", lag(func(p place) time.Duration { return p.service.Integrity.Lag.P50 })),
		flatValue("lag_p99_seconds", "our own lateness, quantile 0.99", lag(func(p place) time.Duration { return p.service.Integrity.Lag.P99 })),
		flatValue("lag_max_seconds", "our own lateness, most", lag(func(p place) time.Duration { return p.service.Integrity.Lag.Max })),
		flatCount("client_faults", "exchanges that failed for want of our own descriptors, ports or memory", func(p place) int64 { return p.service.Integrity.ClientFaults }),
		flatValue("client_cores", "processors that the load generator used, of all services together", client(func(c *analysis.Client) analysis.Value { return c.Cores })),
		flatValue("client_loop_busy_ratio", "share of the time in which its sending and reading thread worked", client(func(c *analysis.Client) analysis.Value { return c.Busy })),
	}
}
