package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// An engine says which series of a collector mean what. Empty means that the
// page does not tell it.
type engine struct {
	running, waiting          string
	completed, prompt, output string // counters
	// level is what a depth by waiting rests on.
	level Evidence
	// queued adds up seconds in the queue, of the requests that queuedN counts; without it,
	// of those that were answered ok.
	queued, queuedN string
	http            string // what is in the server's HTTP part, of a page that tells nothing else
	items, batches  string // counters of what was computed, and in how many batches
	// moving are counters that grow with each request, or output; the first that a page
	// tells is held against our own count.
	moving []string
}

// engineOf gives the series of a kind of collector. Names are those of the
// servers' own pages, or of the collector where that changes the unit:
// docs.vllm.ai (metrics), SGLang's production metrics, the llama.cpp server's README,
// Triton's metrics, TorchServe's management API (jobQueueStatus) and its metrics.
func engineOf(source string) (engine, bool) {
	switch source {
	case "vllm":
		return engine{
			running: "vllm:num_requests_running", waiting: "vllm:num_requests_waiting",
			completed: "vllm:request_success_total",
			prompt:    "vllm:prompt_tokens_total", output: "vllm:generation_tokens_total", level: FromEngine,
			queued: "vllm:request_queue_time_seconds_sum", queuedN: "vllm:request_queue_time_seconds_count",
			moving: []string{"vllm:request_success_total", "vllm:generation_tokens_total"},
		}, true
	case "sglang":
		return engine{
			running: "sglang:num_running_reqs", waiting: "sglang:num_queue_reqs",
			completed: "sglang:num_requests_total",
			prompt:    "sglang:prompt_tokens_total", output: "sglang:generation_tokens_total", level: FromEngine,
			queued: "sglang:queue_time_seconds_sum", queuedN: "sglang:queue_time_seconds_count",
			moving: []string{"sglang:num_requests_total", "sglang:generation_tokens_total"},
		}, true
	case "llama-server":
		return engine{
			running: "llamacpp:requests_processing", waiting: "llamacpp:requests_deferred",
			output: "llamacpp:tokens_predicted_total", level: FromEngine,
			moving: []string{"llamacpp:tokens_predicted_total"},
		}, true
	case "triton":
		return engine{
			waiting: "nv_inference_pending_request_count", level: FromJobs,
			queued: "triton:queue_seconds_total", queuedN: "nv_inference_request_success",
			items: "nv_inference_count", batches: "nv_inference_exec_count",
			moving: []string{"nv_inference_request_success"},
		}, true
	case "torchserve":
		return engine{waiting: "torchserve:pending_requests", level: FromJobs}, true
	case "vllm-load": // beside "vllm"
		return engine{http: "vllm:server_load", level: FromLoad}, true
	case "torchserve-metrics": // beside "torchserve": it tells no depth
		return engine{queued: "torchserve:queue_seconds_total", moving: []string{"torchserve:inference_requests_total"}}, true
	}
	return engine{}, false
}

// TellsQueue reports whether a kind of collector tells how many requests wait.
func TellsQueue(source string) bool {
	e, _ := engineOf(source)
	return e.waiting != ""
}

// pages holds a cell's observations of endpoints, by instance and source.
type pages map[string]map[string]readings

// readings are one source's series of one instance. A series may have several
// subjects (a model each), whose values add up.
type readings map[string]map[string][]stats.Point

// readPages keeps of a cell's observations what engines tell of endpoints, and what
// is told of devices. With an error there are none.
func readPages(c cellFacts) (pages, *deviceReadings, error) {
	p, devices := pages{}, &deviceReadings{before: beforeLoad(c)}
	if c.observations == nil {
		return p, devices, nil
	}
	for o, err := range c.observations {
		if err != nil {
			return nil, &deviceReadings{}, fmt.Errorf("read observations: %w", err)
		}
		if devices.add(o, c.steps) {
			continue
		}
		_, known := engineOf(o.Source)
		if !(known && o.Subject.Kind == results.SubjectEndpoint) && o.Source != results.SourceServer {
			continue
		}
		if o.Series == "vllm:request_success_total" && o.Subject.Detail == "abort" {
			continue // vLLM counts what was broken off among its successes
		}
		if p[o.Subject.ID] == nil {
			p[o.Subject.ID] = map[string]readings{}
		}
		if p[o.Subject.ID][o.Source] == nil {
			p[o.Subject.ID][o.Source] = readings{}
		}
		r := p[o.Subject.ID][o.Source]
		if r[o.Series] == nil {
			r[o.Series] = map[string][]stats.Point{}
		}
		part := o.Subject.Detail
		r[o.Series][part] = append(r[o.Series][part], stats.Point{At: o.At.Seconds(), Value: o.Value})
	}
	for _, sources := range p {
		for _, r := range sources {
			for _, parts := range r {
				for _, points := range parts {
					sortPoints(points)
				}
			}
		}
	}
	devices.sort()
	return p, devices, nil
}

// A page is what one instance's server tells.
type page struct {
	instance string
	source   string // empty if the instance has no readings of a known engine
	engine   engine
	readings readings
	// sums is a second page of the instance that tells no depth; nil if there is none.
	sums *page
	// http is the page of the server's HTTP part; nil if none was read.
	http  *page
	fault string // what a collector warned of, of the instance
	trust PageTrust
	doubt error // why nothing on it is believed
}

// of gives the pages of a service's instances, in the cell's order.
func (p pages) of(cell results.Cell, service string) []page {
	var list []page
	for _, i := range cell.Instances {
		if i.Service != service {
			continue
		}
		one := page{instance: i.Name}
		for _, source := range slices.Sorted(maps.Keys(p[i.Name])) {
			e, ok := engineOf(source)
			switch {
			case ok && e.waiting != "":
				one.source, one.readings, one.engine = source, p[i.Name][source], e
			case ok:
				beside := &page{instance: i.Name, source: source, readings: p[i.Name][source], engine: e, fault: faultOf(cell.Warnings, i.Name, source)}
				if e.http != "" {
					one.http = beside
				} else {
					one.sums = beside
				}
			}
		}
		one.fault = faultOf(cell.Warnings, i.Name, one.source)
		list = append(list, one)
	}
	return list
}

// A gauge is a time average within a window.
type gauge struct {
	mean, max float64
	readings  int64
}

// covers is the least share of a window that readings must span.
const covers = 0.8

// total gives what an instance's readings within the window add up to, over
// some series and all their subjects: one point for each moment at which the
// page was read and told of them all.
func (p page) total(w window, series ...string) ([]stats.Point, error) {
	if p.source == "" {
		return nil, fmt.Errorf("%s has no readings%s", p.instance, p.because(w))
	}
	if p.doubt != nil {
		return nil, p.doubt
	}
	sum, told := map[float64]float64{}, map[float64]int{}
	parts := 0
	for _, name := range series {
		if name == "" {
			return nil, fmt.Errorf("the %s page does not tell it", p.source)
		}
		if len(p.readings[name]) == 0 {
			return nil, fmt.Errorf("%s has no reading of %s%s", p.instance, name, p.because(w))
		}
		for _, points := range p.readings[name] {
			if points[0].At > w.to.Seconds() {
				continue // not known yet
			}
			parts++
			for _, point := range points {
				sum[point.At] += point.Value
				told[point.At]++
			}
		}
	}
	var list []stats.Point
	for at, value := range sum {
		if told[at] == parts && at >= w.from.Seconds() && at <= w.to.Seconds() {
			list = append(list, stats.Point{At: at, Value: value})
		}
	}
	sortPoints(list)
	return list, nil
}

// gaugeOf averages an instance's readings over the window.
func (p page) gaugeOf(points []stats.Point, w window) (gauge, error) {
	mean, covered := stats.TimeMean(points, w.from.Seconds(), w.to.Seconds())
	if covered < covers {
		return gauge{}, fmt.Errorf("readings at %s cover %.0f %% of the window, need %.0f %%%s", p.instance, covered*100, covers*100, p.because(w))
	}
	g := gauge{mean: mean, readings: int64(len(points))}
	for _, point := range points {
		g.max = max(g.max, point.Value)
	}
	if sum := g.mean + g.max; math.IsInf(sum, 0) || math.IsNaN(sum) {
		return gauge{}, fmt.Errorf("%s told a count that nothing has, %.3g", p.instance, g.max)
	}
	return g, nil
}

// queue adds up what the instances tell of waiting requests. One that does
// not tell makes the whole unknown.
func (r serviceReader) queue() Queue {
	var q Queue
	var mean, most float64
	var sources []string
	if len(r.pages) == 0 {
		none := unknown("1", "no instances are known")
		return Queue{Mean: none, Max: none}
	}
	for _, p := range r.pages {
		points, err := p.total(r.window, p.engine.waiting)
		var g gauge
		if err == nil {
			g, err = p.gaugeOf(points, r.window)
		}
		if err != nil {
			none := unknown("1", err.Error())
			return Queue{Mean: none, Max: none}
		}
		mean += g.mean
		most = max(most, g.max)
		q.Readings += g.readings
		sources = append(sources, p.source+" "+p.engine.waiting)
	}
	slices.Sort(sources)
	q.Source = strings.Join(slices.Compact(sources), ", ")
	q.Mean, q.Max = known(mean, "1"), known(most, "1")
	return q
}
