package analysis

import (
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// quiet is a queue with little to wait for.
func quiet() madeQueue { return madeQueue{rate: 5, service: 0.1, window: 100, seed: 3} }

// What is on a page whose counters do not move with our own count of answers is unknown,
// also to objectives, and that is warned of.
func TestPageIsNotBelieved(t *testing.T) {
	q := quiet()
	list := q.customers()
	for _, c := range []struct {
		name, verdict, why string
		change             func(*results.Observation) bool
	}{
		{"stands still", NotBelieved, "vllm:request_success_total stood still while we got", func(o *results.Observation) bool {
			if strings.HasPrefix(o.Series, "vllm:") {
				o.Value = 4
			}
			return true
		}},
		{"another server's", NotBelieved, "it is not of all of this server", func(o *results.Observation) bool {
			if o.Series == "vllm:request_success_total" {
				o.Value = float64(int(o.Value / 2))
			}
			return true
		}},
		{"just enough", Believed, "grew by", func(o *results.Observation) bool {
			if o.Series == "vllm:request_success_total" {
				o.Value *= 0.96
			}
			return true
		}},
		{"others use it too", Believed, "grew by", func(o *results.Observation) bool {
			if o.Series == "vllm:request_success_total" {
				o.Value *= 2
			}
			return true
		}},
		{"tokens stand still", NotBelieved, "vllm:generation_tokens_total stood still", func(o *results.Observation) bool {
			if o.Series == "vllm:request_success_total" {
				o.Series, o.Value = "vllm:generation_tokens_total", 17
			}
			return true
		}},
		{"no counter", NotChecked, "no counter of it moves", func(o *results.Observation) bool { return o.Series != "vllm:request_success_total" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, s := waitingOf(t, q.facts(list, c.change))
			if got := w.Pages[0]; got.Verdict != c.verdict || !strings.Contains(got.Why, c.why) {
				t.Errorf("%+v, want %s because %q", got, c.verdict, c.why)
			}
			warned := strings.Contains(codes(s, "001"), "page-not-believed")
			if warned != (c.verdict == NotBelieved) {
				t.Errorf("warnings %s", codes(s, "001"))
			}
			if c.verdict != NotBelieved {
				if !w.DepthMax.Known() || w.DepthMax.Level != FromEngine {
					t.Errorf("%+v", w.DepthMax)
				}
				return
			}
			for what, v := range map[string]Value{
				"depth": w.DepthMax.Value, "wait": w.Wait.Value, "backlog": w.Backlog.Value, "batch": w.Batch.Value,
				"queue": s.Cells[0].Steps[0].Services[0].Queue.Mean,
			} {
				why(t, what, v, "the vllm page of agent-0 is not believed")
			}
			// What is left is our own latency.
			rests(t, "depth", w.Depth, q.rate**w.AboveFloor.Number, 0.1, 0, FromLatency)
		})
	}
}

// An engine that is started anew within the window counts from zero again: what its
// counters tell is unknown, its gauges are not. One that was before the window does not
// matter.
func TestResetIsNoticed(t *testing.T) {
	q := quiet()
	list := q.customers()
	anew := func(from float64) func(*results.Observation) bool {
		return func(o *results.Observation) bool {
			if counter := strings.HasSuffix(o.Series, "_total") || strings.Contains(o.Series, "queue_time"); counter && o.At < offset(from) {
				o.Value += 1000
			}
			return true
		}
	}
	w, _ := waitingOf(t, q.facts(list, anew(50)))
	why(t, "wait", w.ByLittle.Value, "went back: it was started anew")
	if w.Pages[0].Verdict != NotChecked || !w.Depth.Known() || w.Depth.Inferred {
		t.Errorf("%+v", w)
	}
	whole, _ := waitingOf(t, q.facts(list, nil))
	w, _ = waitingOf(t, q.facts(list, anew(5)))
	rests(t, "wait", w.Wait, *whole.Wait.Number, 0, 0, FromEngine)
}

// A page that its collector refuses, such as a router's, gives no readings but that it
// was read: all is unknown, with the collector's reason.
func TestRefusedPage(t *testing.T) {
	q := quiet()
	f := q.facts(q.customers(), func(o *results.Observation) bool {
		if o.Series == results.SeriesReadOK {
			o.Value = 0
		}
		return strings.HasPrefix(o.Series, "evabench:")
	})
	f.cells[0].cell.Warnings = []results.Warning{
		{Code: "collector-failed", Subject: "agent-1", Text: "vllm: another's"},
		{Code: "collector-failed", Subject: "agent-0", Text: "vllm: http://h/metrics: the page is a router's", Count: 100},
	}
	w, s := waitingOf(t, f)
	for what, v := range map[string]Value{"max": w.DepthMax.Value, "wait": w.Wait.Value, "backlog": w.Backlog.Value, "queue": s.Cells[0].Steps[0].Services[0].Queue.Mean} {
		why(t, what, v, "(100 of 100 reads in the window failed: vllm: http://h/metrics: the page is a router's)")
	}
	if p := w.Pages[0]; p.Verdict != NotChecked || p.Failed != 100 || p.Reads != 100 {
		t.Errorf("%+v", p)
	}
}

// A read is slow above 50 ms of the clock, also where a simulated server's time runs
// faster.
func TestSlowReads(t *testing.T) {
	q := quiet()
	list := q.customers()
	for _, scale := range []float64{0, 10} {
		for took, want := range map[time.Duration]int64{SlowRead: 0, SlowRead + time.Microsecond: 1} {
			f := q.facts(list, func(o *results.Observation) bool {
				if o.Series == results.SeriesReadSeconds && o.At == offset(60.5) {
					o.Value = took.Seconds() * max(1, scale)
				}
				return true
			})
			f.environment.SimulatedScale = scale
			w, _ := waitingOf(t, f)
			p := w.Pages[0]
			if p.Slow != want {
				t.Errorf("%v at scale %v: %+v, want %d slow", took, scale, p, want)
			}
			number(t, "slowest", p.Slowest, took.Seconds())
		}
	}
}

// Values that were old when they were read are warned of, where the page tells their age.
func TestOldPage(t *testing.T) {
	q := quiet()
	list := q.customers()
	for age, want := range map[float64]bool{2: false, 2.01: true} {
		f := q.facts(list, nil)
		var observed []results.Observation
		for o := range f.cells[0].observations {
			observed = append(observed, o)
			if o.Series == results.SeriesReadOK {
				o.Series, o.Value = "evabench:page_age_seconds", 0.5
				if o.At == offset(60.5) {
					o.Value = age
				}
				observed = append(observed, o)
			}
		}
		f.cells[0].observations = all(observed)
		w, s := waitingOf(t, f)
		number(t, "oldest", w.Pages[0].Oldest, age)
		if warned := strings.Contains(codes(s, "001"), "page-old"); warned != want {
			t.Errorf("%v s: warnings %s", age, codes(s, "001"))
		}
	}
}

// An instance that is not asked has no wait; the service has that of the other. One whose
// depth is unknown makes that of the service unknown.
func TestQueueOfTwoInstances(t *testing.T) {
	q := quiet()
	list := q.customers()
	two := func(change func(*results.Observation) bool) []Waiting {
		f := q.facts(list, nil)
		var observed []results.Observation
		for o := range f.cells[0].observations {
			observed = append(observed, o)
			o.Subject.ID = "agent-1"
			if strings.HasPrefix(o.Series, "vllm:") {
				o.Value = 0
			}
			if change == nil || change(&o) {
				observed = append(observed, o)
			}
		}
		f.cells[0].observations = all(observed)
		f.cells[0].cell.Instances = append(f.cells[0].cell.Instances, results.Instance{Service: "agent", Name: "agent-1"})
		return summarized(t, f).Cells[0].Steps[0].Services[0].Waiting
	}
	w := two(nil)
	if *w[0].Wait.Number != *w[1].Wait.Number || *w[0].Depth.Number != *w[1].Depth.Number || w[2].Wait.Known() || *w[2].Depth.Number != 0 {
		t.Errorf("%+v", w)
	}
	number(t, "batch", w[0].Batch.Value, *w[1].Batch.Number/2)
	w = two(func(o *results.Observation) bool { return o.Series != "vllm:num_requests_waiting" })
	why(t, "max", w[0].DepthMax.Value, "agent-1 has no reading of vllm:num_requests_waiting")
}

// TorchServe tells its depth on one page and the time in the queue on another, as a sum
// over answers; Triton tells both on one, and its batches.
func TestOtherServers(t *testing.T) {
	q := quiet()
	list := q.customers()
	whole, _ := waitingOf(t, q.facts(list, nil))
	rename := func(o *results.Observation, source string, names map[string]string) bool {
		if strings.HasPrefix(o.Series, "evabench:") {
			o.Source = source
			return true
		}
		name, kept := names[o.Series]
		o.Source, o.Series = source, name
		return kept
	}
	w, _ := waitingOf(t, q.facts(list, func(o *results.Observation) bool {
		source := "torchserve-metrics"
		if o.Series == "vllm:num_requests_waiting" {
			source = "torchserve"
		}
		return rename(o, source, map[string]string{
			"vllm:num_requests_waiting": "torchserve:pending_requests", "vllm:request_success_total": "torchserve:inference_requests_total",
			"vllm:request_queue_time_seconds_sum": "torchserve:queue_seconds_total",
		})
	}))
	rests(t, "TorchServe's depth", w.Depth, *whole.Depth.Number, 0, 0, FromJobs)
	rests(t, "TorchServe's wait", w.Wait, *whole.Wait.Number, 0, 1e-9, FromEngine)
	why(t, "TorchServe's backlog", w.Backlog.Value, "the torchserve page tells waiting requests only")
	if len(w.Pages) != 2 || w.Pages[0].Verdict != NotChecked || w.Pages[1].Verdict != Believed {
		t.Errorf("%+v", w.Pages)
	}
	w, _ = waitingOf(t, q.facts(list, func(o *results.Observation) bool {
		if o.Series == "vllm:num_requests_running" { // made into a count of batches of two
			o.Series, o.Value = "batches", 0
			for _, c := range list {
				if c.done <= o.At.Seconds() {
					o.Value += 0.5
				}
			}
		}
		if o.Series == "vllm:request_queue_time_seconds_count" {
			o.Series = "items"
		}
		return rename(o, "triton", map[string]string{
			"vllm:num_requests_waiting": "nv_inference_pending_request_count", "vllm:request_success_total": "nv_inference_request_success",
			"vllm:request_queue_time_seconds_sum": "triton:queue_seconds_total", "items": "nv_inference_count", "batches": "nv_inference_exec_count",
		})
	}))
	rests(t, "Triton's depth", w.Depth, *whole.Depth.Number, 0, 0, FromJobs)
	rests(t, "Triton's wait", w.Wait, *whole.Wait.Number, 0, 0, FromEngine)
	rests(t, "Triton's batch", w.Batch, 2, 0, 1e-9, FromEngine)
	if w.Pages[0].Verdict != Believed {
		t.Errorf("%+v", w.Pages)
	}
}

// The whole Summary of three instances with the same requests: one whose page tells all, one
// whose page stands still, and one at whose page there is a router.
func TestQueueGolden(t *testing.T) {
	q := madeQueue{rate: 5, service: 0.1, frontend: 0.05, window: 100, seed: 3}
	f := q.facts(q.customers(), nil)
	c := &f.cells[0]
	var samples []results.Sample
	for s := range c.steps[0].samples {
		s.Seq, s.Session = s.Seq*3, s.Session*3
		for i := range int64(3) {
			s.Endpoint = []string{"agent-0", "agent-1", "agent-2"}[i]
			samples = append(samples, s)
			if s.Due >= c.steps[0].step.WindowStart {
				c.steps[0].step.Services[0].Due++
				c.steps[0].step.Services[0].Sent++
			} else {
				c.steps[0].step.Services[0].WarmupDue++
			}
			s.Seq, s.Session = s.Seq+1, s.Session+1
		}
	}
	var observed []results.Observation
	for o := range c.observations {
		if o.Series == results.SeriesReadSeconds && o.At == offset(60.5) {
			o.Value = 0.2
		}
		observed = append(observed, o)
		engine := strings.HasPrefix(o.Series, "vllm:")
		o.Subject.ID = "agent-1"
		if engine {
			o.Value = 1
		}
		observed = append(observed, o)
		if o.Subject.ID = "agent-2"; !engine {
			if o.Series == results.SeriesReadOK {
				o.Value = 0
			}
			observed = append(observed, o)
		}
	}
	c.steps[0].samples, c.observations = all(samples), all(observed)
	for _, name := range []string{"agent-1", "agent-2"} {
		c.cell.Instances = append(c.cell.Instances, results.Instance{Service: "agent", Name: name})
	}
	alone := c.cell.Warmed[0]
	alone.Instance, alone.Alone = "agent-1", true
	c.cell.Warmed = append(c.cell.Warmed, alone)
	c.cell.Config.Name = "made"
	c.cell.Warnings = []results.Warning{{Code: "collector-failed", Subject: "agent-2", Count: 100, Text: "vllm: http://127.0.0.1:1/metrics: the page is a router's"}}
	f.environment.Scenario = "made"
	golden(t, "testdata/queue.json", summarized(t, f))
}
