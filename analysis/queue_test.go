package analysis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
	"pgregory.net/rapid"
)

// A madeQueue is a run whose queue is known: requests come at random, are held by a frontend
// for a fixed time, and then by an engine that takes one after the other, each for a
// fixed time (M/D/1).
type madeQueue struct {
	rate, service, frontend float64 // 1/s, s, s
	window                  float64 // s, after a tenth of it of warm-up
	seed                    uint64
}

// A customer's moments are in seconds.
type customer struct{ sent, queued, scheduled, done float64 }

func (q madeQueue) customers() []customer {
	random := rand.New(rand.NewPCG(q.seed, 1))
	var list []customer
	free := 0.0
	for at := random.ExpFloat64() / q.rate; at < q.window*1.1; at += random.ExpFloat64() / q.rate {
		c := customer{sent: at, queued: at + q.frontend}
		c.scheduled = max(c.queued, free)
		c.done = c.scheduled + q.service
		free = c.done
		list = append(list, c)
	}
	return list
}

// until counts the customers of whom a moment, which comes in their order, is not after at.
func until(list []customer, at float64, moment func(customer) float64) int {
	return sort.Search(len(list), func(i int) bool { return moment(list[i]) > at })
}

func offset(seconds float64) results.Offset { return results.Offset(math.Round(seconds * 1e9)) }

// facts makes the run's record, its page read each second as vLLM tells it: what waited
// is counted when it is done. Change may alter an observation, or drop it.
func (q madeQueue) facts(list []customer, change func(*results.Observation) bool) facts {
	from, to := q.window*0.1, q.window*1.1
	step := results.Step{
		Plan:        results.StepPlan{Levels: []results.Level{{Service: "agent", Arrivals: "poisson", Value: q.rate, Unit: "req/s"}}},
		WindowStart: offset(from), WindowEnd: offset(to),
		Services: []results.Integrity{{Service: "agent"}},
	}
	var samples []results.Sample
	for i, c := range list {
		samples = append(samples, results.Sample{
			Service: "agent", Class: "ask", Model: "m", Endpoint: "agent-0", Seq: int64(i), Session: int64(i), Last: true,
			Due: offset(c.sent), Sent: offset(c.sent), First: offset(c.done), Final: offset(c.done), Done: offset(c.done), Outcome: results.OK, Chunks: 1,
			PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
			ServerQueue: results.Untold, ServerWork: results.Untold,
		})
		step.End = max(step.End, offset(c.done))
	}
	var observed []results.Observation
	var waited float64
	counted := 0
	for at := 0.5; at < to+5; at++ {
		done := until(list, at, func(c customer) float64 { return c.done })
		begun := until(list, at, func(c customer) float64 { return c.scheduled })
		for _, c := range list[counted:done] {
			waited += c.scheduled - c.queued
		}
		counted = done
		running, waiting := float64(begun-done), float64(until(list, at, func(c customer) float64 { return c.queued })-begun)
		for series, value := range map[string]float64{
			"vllm:num_requests_running": running, "vllm:num_requests_waiting": waiting, "vllm:request_success_total": float64(done),
			"vllm:request_queue_time_seconds_sum": waited, "vllm:request_queue_time_seconds_count": float64(done),
			results.SeriesReadSeconds: 0.001, results.SeriesReadOK: 1,
		} {
			o := results.Observation{At: offset(at), Source: "vllm", Series: series, Value: value,
				Subject: results.Subject{Kind: results.SubjectEndpoint, ID: "agent-0"}}
			if change == nil || change(&o) {
				observed = append(observed, o)
			}
		}
	}
	alone := time.Duration((q.service + q.frontend) * 1e9)
	return facts{
		environment: results.Environment{Schema: results.SchemaVersion, Services: []results.Service{{Name: "agent", Role: results.RoleAgent}}},
		cells: []cellFacts{{
			finished: true,
			cell: results.Cell{
				Folder: "001-made-r1", Status: results.CellDone,
				Instances: []results.Instance{{Service: "agent", Name: "agent-0"}},
				Warmed:    []results.Warmed{{Instance: "agent-0", Class: "ask", Parallel: 1, Settled: true, Rounds: []time.Duration{9 * alone, alone, alone, alone}}},
			},
			layout: results.Layout{Verified: true, Devices: []device.Device{}},
			steps:  []stepFacts{{step: step, samples: all(samples)}}, observations: all(observed),
		}},
	}
}

// waitingOf gives the figures of the made queue's one instance.
func waitingOf(t interface{ Fatal(...any) }, f facts) (Waiting, *Summary) {
	s, err := summarize(f)
	if err != nil {
		t.Fatal(err)
	}
	list := s.Cells[0].Steps[0].Services[0].Waiting
	if len(list) != 2 || list[0].Instance != "" || list[1].Instance != "agent-0" {
		t.Fatal(fmt.Sprintf("waiting %+v", list))
	}
	return list[1], s
}

// near checks a figure against the truth to within a share and an absolute.
func rests(t interface{ Errorf(string, ...any) }, what string, got Figure, want, share, absolute float64, level Evidence) {
	if !got.Known() {
		t.Errorf("%s is unknown (%s), want %v", what, got.Why, want)
		return
	}
	if math.Abs(*got.Number-want) > share*math.Abs(want)+absolute || got.Level != level {
		t.Errorf("%s = %v at level %s, want %v at %s", what, *got.Number, got.Level, want, level)
	}
}

// A queue of known truth, its page read once a second. The wait is of all requests that
// ended within the window, so it is exact but for those at its edges; the depth is
// read 1,000 times, and is as near as its swings let it be; what the same
// counters tell of it by Little's law has no such noise. By Pollaczek and Khinchine,
//
//	wait = ρ · service ÷ (2 · (1 - ρ)) = 0.2 s at 8/s of 0.1 s, depth = rate · wait = 1.6
func TestQueueOfKnownTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := madeQueue{
			rate: rapid.Float64Range(3, 8).Draw(t, "rate"), service: 0.1, window: 1000,
			frontend: rapid.Float64Range(0, 0.5).Draw(t, "frontend"), seed: rapid.Uint64().Draw(t, "seed"),
		}
		list := q.customers()
		var wait, n, depth float64
		from, to := q.window*0.1, q.window*1.1
		for _, c := range list {
			if c.done >= from && c.done < to {
				wait, n = wait+c.scheduled-c.queued, n+1
			}
			depth += max(0, min(c.scheduled, to)-max(c.queued, from)) / q.window
		}
		wait /= n
		most := 0.0 // at the readings
		for at := math.Ceil(from-0.5) + 0.5; at <= to; at++ {
			most = max(most, float64(until(list, at, func(c customer) float64 { return c.queued })-until(list, at, func(c customer) float64 { return c.scheduled })))
		}
		w, s := waitingOf(t, q.facts(list, nil))
		rests(t, "wait", w.Wait, wait, 0.02, 1e-3, FromEngine)
		rests(t, "depth by Little's law", w.ByLittle, depth, 0.03, 0.01, FromEngine)
		rests(t, "depth", w.Depth, depth, 0.2, 0.1, FromEngine)
		rests(t, "depth, max", w.DepthMax, most, 0, 0, FromEngine)
		rests(t, "backlog", w.Backlog, q.rate*q.frontend, 0.1, 0.1, FromFlight)
		rests(t, "above the floor", w.AboveFloor, wait, 0.01, 1e-6, FromLatency)
		rests(t, "inference", w.Inference, q.service+q.frontend, 0.02, 2e-3, FromEngine)
		// A server of one: its gauge is 0 or 1, so 1,000 readings of it scatter by 0.016.
		rests(t, "batch", w.Batch, q.rate*q.service, 0.1, 0.06, FromEngine)
		if w.Pages[0].Verdict != Believed || w.Pages[0].Reads != 1000 || w.Readings != 1000 || w.Depth.Inferred || w.Wait.Inferred {
			t.Errorf("%+v", w)
		}
		if all := s.Cells[0].Steps[0].Services[0].Waiting[0]; *all.Wait.Number != *w.Wait.Number || *all.Depth.Number != *w.Depth.Number || *all.AboveFloor.Number != *w.AboveFloor.Number {
			t.Errorf("of the service %+v, of its one instance %+v", all, w)
		}
		if codes := codes(s, ""); strings.Contains(codes, "page") {
			t.Errorf("warnings %s", codes)
		}
	})
}

// The same queue, of which the page tells only a part.
func TestQueueIsInferred(t *testing.T) {
	q := madeQueue{rate: 8, service: 0.1, window: 1000, seed: 7}
	list := q.customers()
	whole, _ := waitingOf(t, q.facts(list, nil))
	drop := func(text string) func(*results.Observation) bool {
		return func(o *results.Observation) bool { return !strings.Contains(o.Series, text) }
	}
	w, _ := waitingOf(t, q.facts(list, drop("queue_time")))
	rests(t, "wait of the depth", w.Wait, *whole.Wait.Number, 0.05, 0, FromEngine)
	if !w.Wait.Inferred || w.WaitN != 0 || !w.Inference.Inferred {
		t.Errorf("%+v", w.Wait)
	}
	w, _ = waitingOf(t, q.facts(list, drop("num_requests")))
	rests(t, "depth of the wait", w.Depth, *whole.ByLittle.Number, 0, 0, FromEngine)
	if !w.Depth.Inferred || w.Readings != 0 {
		t.Errorf("%+v", w.Depth)
	}
	why(t, "max", w.DepthMax.Value, "has no reading of vllm:num_requests_waiting")
	w, _ = waitingOf(t, q.facts(list, drop("vllm")))
	rests(t, "depth of the latency", w.Depth, *whole.Depth.Number, 0.05, 0, FromLatency)
	if !w.Depth.Inferred {
		t.Errorf("%+v", w.Depth)
	}
	why(t, "wait", w.Wait.Value, "no reading of vllm:request_queue_time_seconds_sum")
	f := q.facts(list, drop("vllm"))
	f.cells[0].cell.Warmed[0].Parallel = 2
	w, _ = waitingOf(t, f)
	why(t, "above the floor", w.AboveFloor.Value, "ask was warmed up with 2 requests at once")
	why(t, "depth", w.Depth.Value, "has no reading")
	if w.Depth.Level != NoEvidence || w.Wait.Level != NoEvidence {
		t.Errorf("levels %s, %s", w.Depth.Level, w.Wait.Level)
	}
}

// A gauge that is far from the counters is told with what they tell: here one that never
// tells of what waits, and one that is as far as chance makes it.
func TestGaugeAgainstCounters(t *testing.T) {
	q := madeQueue{rate: 8, service: 0.1, window: 1000, seed: 7} // some 1.6 wait
	list := q.customers()
	for share, want := range map[float64]bool{0: true, 0.5: true, 1: false, 2: true} {
		w, s := waitingOf(t, q.facts(list, func(o *results.Observation) bool {
			if o.Series == "vllm:num_requests_waiting" {
				o.Value *= share
			}
			return true
		}))
		for _, f := range []Figure{w.Depth, s.Cells[0].Steps[0].Services[0].Waiting[0].Depth} {
			if told := strings.Contains(f.Note, "the queue's own counters tell a mean of 1."); told != want {
				t.Errorf("share %v: depth %v, note %q", share, *f.Number, f.Note)
			}
		}
	}
}
