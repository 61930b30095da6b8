package analysis

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
)

// loaded adds to a made queue's facts what its HTTP part tells, read a quarter of a second
// after the page: share of the customers that are in the server.
func loaded(f *facts, list []customer, tell func(in int) (load float64, ok bool)) {
	var more []results.Observation
	for at := 0.75; at < f.cells[0].steps[0].step.WindowEnd.Seconds()+5; at++ {
		in := until(list, at, func(c customer) float64 { return c.sent }) - until(list, at, func(c customer) float64 { return c.done })
		load, ok := tell(in)
		add := func(series string, value float64) {
			more = append(more, results.Observation{
				At: offset(at), Source: "vllm-load", Series: series, Value: value,
				Subject: results.Subject{Kind: results.SubjectEndpoint, ID: "agent-0"},
			})
		}
		add(results.SeriesReadSeconds, 0.001)
		if !ok {
			add(results.SeriesReadOK, 0)
			continue
		}
		add(results.SeriesReadOK, 1)
		add("vllm:server_load", load)
	}
	had := f.cells[0].observations
	f.cells[0].observations = func(yield func(results.Observation, error) bool) {
		going := true
		for o, err := range had {
			if going = yield(o, err); !going {
				return
			}
		}
		for o := range slices.Values(more) {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// verdictOf gives the verdict on a source's page.
func verdictOf(w Waiting, source string) PageTrust {
	i := slices.IndexFunc(w.Pages, func(p PageTrust) bool { return p.Source == source })
	if i < 0 {
		return PageTrust{}
	}
	return w.Pages[i]
}

var loadQueue = madeQueue{rate: 6, service: 0.1, frontend: 0.4, window: 1000, seed: 7}

// What is in the server is what arrived and is not answered; what is in its frontend, those of
// them that the engine does not have. Both means over time are sums of spans over the window.
func TestLoadOfKnownTruth(t *testing.T) {
	list := loadQueue.customers()
	f := loadQueue.facts(list, nil)
	loaded(&f, list, func(in int) (float64, bool) { return float64(in), true })
	w, s := waitingOf(t, f)
	from, to := loadQueue.window*0.1, loadQueue.window*1.1
	var server, frontend float64
	for _, c := range list {
		server += max(0, min(c.done, to)-max(c.sent, from)) / loadQueue.window
		frontend += max(0, min(c.queued, to)-max(c.sent, from)) / loadQueue.window
	}
	if w.HTTP == nil {
		t.Fatal("nothing is told of the server's HTTP part")
	}
	rests(t, "in the server", w.HTTP.Mean, server, 0.05, 0, FromLoad)
	rests(t, "in the frontend", w.HTTP.Frontend, frontend, 0.08, 0, FromLoad)
	if w.HTTP.Mean.Note != "" || w.HTTP.Readings != 1000 || *w.HTTP.Max.Number < *w.HTTP.Mean.Number {
		t.Errorf("told %+v", w.HTTP)
	}
	if v := verdictOf(w, "vllm-load"); v.Verdict != Believed {
		t.Errorf("the page is %+v", v)
	}
	rests(t, "depth", w.Depth, *w.Depth.Number, 0, 0, FromEngine) // stands beside it as before
	all := s.Cells[0].Steps[0].Services[0].Waiting[0].HTTP
	if all == nil || *all.Mean.Number != *w.HTTP.Mean.Number || *all.Frontend.Number != *w.HTTP.Frontend.Number {
		t.Errorf("of the service: %+v", all)
	}
}

// A server that does not count tells 0, a server without the page nothing, one of two API
// processes half, or less.
func TestLoadUnknown(t *testing.T) {
	list := loadQueue.customers()
	for _, tt := range []struct {
		name    string
		tell    func(in int) (float64, bool)
		fault   string // of the collector
		verdict string
		why     string // of the mean, or its note
		known   bool
	}{
		{"not counted", func(int) (float64, bool) { return 0, true }, "", NotBelieved, "--enable-server-load-tracking", false},
		{"no such page", func(int) (float64, bool) { return 0, false }, "vllm-load: get http://a/load: status 404: Not Found", NotChecked, "status 404", false},
		{"just half", func(in int) (float64, bool) { return float64(in) / 2, true }, "", Believed, "", true},
		{"less than half", func(in int) (float64, bool) { return float64(in) * 0.49, true }, "", Believed, "one of several API processes", true},
	} {
		f := loadQueue.facts(list, nil)
		loaded(&f, list, tt.tell)
		if tt.fault != "" {
			f.cells[0].cell.Warnings = append(f.cells[0].cell.Warnings, results.Warning{Code: "collector-failed", Subject: "agent-0", Text: tt.fault, Count: 1})
		}
		w, s := waitingOf(t, f)
		if w.HTTP == nil {
			t.Errorf("%s: nothing is told", tt.name)
			continue
		}
		if text := w.HTTP.Mean.Why + w.HTTP.Mean.Note; w.HTTP.Mean.Known() != tt.known || !strings.Contains(text, tt.why) || tt.why == "" && text != "" {
			t.Errorf("%s: mean %+v, want %q", tt.name, w.HTTP.Mean, tt.why)
		}
		if w.HTTP.Frontend.Known() != tt.known {
			t.Errorf("%s: frontend %+v", tt.name, w.HTTP.Frontend)
		}
		if v := verdictOf(w, "vllm-load"); v.Verdict != tt.verdict {
			t.Errorf("%s: the page is %+v, want %s", tt.name, v, tt.verdict)
		}
		if warned := strings.Contains(codes(s, "001"), "page-not-believed"); warned != (tt.verdict == NotBelieved) {
			t.Errorf("%s: warned of the page: %v", tt.name, warned)
		}
		if !w.Depth.Known() || verdictOf(w, "vllm").Verdict != Believed {
			t.Errorf("%s: the engine's page is no longer read: %+v", tt.name, w.Depth)
		}
	}
}

// Without the source nothing of it is told; and a fault of one source is not another's whose
// name begins alike.
func TestLoadNotRead(t *testing.T) {
	list := loadQueue.customers()
	f := loadQueue.facts(list, nil)
	w, s := waitingOf(t, f)
	if w.HTTP != nil || s.Cells[0].Steps[0].Services[0].Waiting[0].HTTP != nil || math.IsNaN(*w.Depth.Number) {
		t.Errorf("told %+v", w.HTTP)
	}
	warnings := []results.Warning{{Code: "collector-failed", Subject: "agent-0", Text: "vllm-load: status 404"}, {Code: "collector-failed", Subject: "agent-0", Text: "vllm: status 500"}}
	for source, want := range map[string]string{"vllm-load": "vllm-load: status 404", "vllm": "vllm: status 500", "": "vllm-load: status 404", "v": ""} {
		if got := faultOf(warnings, "agent-0", source); got != want {
			t.Errorf("the fault of %q is %q, want %q", source, got, want)
		}
	}
}
