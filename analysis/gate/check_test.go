package gate

import (
	"errors"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

func num(v float64, unit string) analysis.Value { return analysis.Value{Number: &v, Unit: unit} }

// quantileOf is one with an interval of 10 % to each side.
func quantileOf(q, v float64) analysis.Quantile {
	low, high := 0.9*v, 1.1*v
	return analysis.Quantile{Q: q, Value: num(v, "s"), Low: &low, High: &high}
}

// service has p50 = 0.1 s, p95 and p99 = 0.25 s, and so many of 1,000 that failed.
func service(failed int64) analysis.Service {
	v := analysis.Service{Name: "vision", Role: results.RoleVision, Verdict: analysis.Verdict{Is: analysis.Valid}}
	v.Total.Due, v.Total.OK = 1000, 1000-failed
	v.Total.Throughput = num(20, "1/s")
	v.Total.Latency = analysis.Distribution{
		N: 1000 - failed, Mean: num(0.12, "s"), Max: num(0.4, "s"),
		Quantiles: []analysis.Quantile{quantileOf(0.5, 0.1), quantileOf(0.95, 0.25), quantileOf(0.99, 0.35)},
	}
	v.Queue.Mean = num(1.5, "1")
	v.SLO = []analysis.ClauseValue{{Clause: results.Clause{Metric: "errors", Text: "errors <= 0 %"}, Value: num(float64(failed)/1000, "ratio"), Result: analysis.Met}}
	if failed > 0 {
		v.SLO[0].Result = analysis.NotMet
	}
	return v
}

// run has two configurations of two replicates and a step; b's second replicate is told.
func run(last analysis.Service) *analysis.Summary {
	s := &analysis.Summary{}
	s.Environment.Services = []results.Service{{Name: "vision", Role: results.RoleVision, SLO: []results.Clause{{Text: "errors <= 0 %"}}}}
	for i, config := range []string{"a", "b", "a", "b"} {
		c := analysis.Cell{Cell: results.Cell{Folder: "00" + string(rune('0'+i)) + "-" + config + "-r" + string(rune('1'+i/2)), Replicate: 1 + i/2, Status: results.CellDone}}
		c.Cell.Config.Name = config
		v := service(0)
		if i == 3 {
			v = last
		}
		c.Steps = []analysis.Step{{Name: "20 req/s", Services: []analysis.Service{v}}}
		s.Cells = append(s.Cells, c)
	}
	return s
}

func check(t *testing.T, s *analysis.Summary, text string, o Options) Result {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Check(s, r, o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Every limit stands just at the figure and just below or above it.
func TestCheck(t *testing.T) {
	limited := service(0)
	limited.Verdict = analysis.Verdict{Is: analysis.ClientLimited, Why: "late"}
	untold := service(0)
	untold.Total.Latency.Quantiles[1].High, untold.Total.Latency.Quantiles[1].Open = nil, "need 9 s more for an upper end"
	for _, c := range []struct {
		name, text string
		last       analysis.Service
		sure, met  bool
		says       string // of the worst point: Why, Note or Value.Why
	}{
		{"at the limit", "vision.p95<=250ms", service(0), false, true, ""},
		{"below is not at", "vision.p95<250ms", service(0), false, false, ""},
		{"another unit", "vision.p95<=0.25s", service(0), false, true, ""},
		{"interval reaches over", "vision.p95<=270ms", service(0), true, false, "its interval reaches to 275.0 ms"},
		{"interval within", "vision.p95<=276ms", service(0), true, true, ""},
		{"end not known", "vision.p95<=1s", untold, true, false, "need 9 s more"},
		{"end not asked", "vision.p95<=250ms", untold, false, true, ""},
		{"mean has no interval", "vision.mean<=120ms", service(0), true, true, ""},
		{"percentile not told", "vision.p90<=1s", service(0), false, false, "the run tells p50, p95, p99 of vision"},
		{"throughput", "vision.throughput>=20req/s", service(0), false, true, ""},
		{"throughput a minute", "vision.throughput>1200req/min", service(0), false, false, ""},
		{"queue", "vision.queue<=1.5", service(0), false, true, ""},
		{"no errors", "vision.errors<=0%", service(0), false, true, ""},
		{"one error", "vision.errors<=0%", service(1), false, false, ""},
		{"one error allowed", "vision.errors<=0.1%", service(1), false, true, ""},
		{"valid", "vision.valid", service(0), false, true, ""},
		{"not valid", "vision.valid", limited, false, false, "client-limited: late"},
		{"what is not valid is not known", "vision.p95<=1s", limited, false, false, "does not measure the server: client-limited, late"},
		{"objectives", "slo", service(0), false, true, ""},
		{"an objective missed", "vision.slo", service(1), false, false, "errors <= 0 % is not met: 0.1000 %"},
		{"no search", "vision.capacity>=1", service(0), false, false, "no capacity was searched for"},
		// 60 of 1,000 failed: p95 is rank 950 of 940.
		{"among failures", "vision.p95<=10s", service(60), false, false, "falls among arrivals that did not end ok, 60 of 1,000"},
		// 20 of 1,000 failed: p95 is rank 950 of 980, a share of 0.969, at most p99.
		{"at most the next told", "vision.p95<=350ms", service(20), false, true, "at most: 20 of 1,000"},
		{"at least its own", "vision.p95<=249ms", service(20), false, false, "at least: 20 of 1,000"},
		{"between", "vision.p95<=300ms", service(20), false, false, "lies between 250.0 ms and 350.0 ms"},
	} {
		got := check(t, run(c.last), c.text, Options{Sure: c.sure})
		p := got.Points[got.Worst]
		if got.Met != c.met {
			t.Errorf("%s: %s is met: %v, want %v (%+v)", c.name, c.text, got.Met, c.met, p)
		}
		if told := p.Why + "\n" + p.Note + "\n" + p.Value.Why; !strings.Contains(told, c.says) {
			// A point that is met may not be the worst: look for it.
			found := false
			for _, q := range got.Points {
				found = found || strings.Contains(q.Why+q.Note, c.says)
			}
			if !found {
				t.Errorf("%s: says %q, want %q", c.name, told, c.says)
			}
		}
		if len(got.Points) != 4 {
			t.Errorf("%s: %d points, want one for each replicate of each configuration", c.name, len(got.Points))
		}
	}
}

// A requirement is about what it names, and only steps of levels count by themselves.
func TestScope(t *testing.T) {
	s := run(service(60))
	for text, want := range map[string]bool{"a:vision.p95<=1s": true, "b:vision.p95<=1s": false, "vision.p95@0<=1s": false} {
		if got := check(t, s, text, Options{}); got.Met != want {
			t.Errorf("%s: %v, want %v", text, got.Met, want)
		}
	}
	if got := check(t, s, "vision.p95<=1s", Options{Config: "a"}); !got.Met || len(got.Points) != 2 {
		t.Errorf("of a alone: %+v", got)
	}
	if got := check(t, s, "vision.p95<=1s", Options{}); got.Points[got.Worst].Config != "b" || got.Points[got.Worst].Replicate != 2 {
		t.Errorf("the worst is %+v", got.Points[got.Worst])
	}
	for _, purpose := range []string{results.PurposeClimb, results.PurposeProbe, results.PurposeSpike, results.PurposeInterference, results.PurposeConfirm} {
		s := run(service(60))
		s.Cells[3].Steps[0].Purpose = purpose
		got := check(t, s, "vision.p95<=1s", Options{})
		if p := got.Points[got.Worst]; got.Met || !strings.Contains(p.Why, "no step of levels") {
			t.Errorf("%s: %+v", purpose, p)
		}
	}
	s = run(service(0))
	s.Cells[3].Steps = append(s.Cells[3].Steps, analysis.Step{Index: 1, Name: "killed", Services: []analysis.Service{service(60)}, Failover: &analysis.Failover{}})
	if got := check(t, s, "vision.p95<=1s", Options{}); !got.Met {
		t.Errorf("a failover counts: %+v", got)
	}
	if got := check(t, s, "b:vision.p95@killed<=1s", Options{}); got.Met {
		t.Error("a failover that is named does not count")
	}
}

// A cell that failed or is missing is not known, but one that a race left out is no cell.
func TestCellsThatAreNot(t *testing.T) {
	s := run(service(0))
	s.Cells[3].Cell.Status, s.Cells[3].Cell.Fault = results.CellFailed, "it ended"
	if got := check(t, s, "vision.p95<=1s", Options{}); got.Met || !strings.Contains(got.Points[got.Worst].Why, "ended as failed: it ended") {
		t.Errorf("%+v", got.Points)
	}
	s = run(service(0))
	s.Missing = []string{"004-c-r1"}
	if got := check(t, s, "vision.p95<=1s", Options{}); got.Met || !strings.Contains(got.Points[got.Worst].Why, "004-c-r1 was not run") {
		t.Errorf("%+v", got.Points)
	}
	s.Race = &analysis.Race{Runners: []analysis.Runner{{Config: "c", Left: "beaten"}}}
	if got := check(t, s, "vision.p95<=1s", Options{}); !got.Met {
		t.Errorf("%+v", got.Points)
	}
	s.Race.Runners[0].Failed = true // it told nothing: nothing beat it
	if got := check(t, s, "vision.p95<=1s", Options{}); got.Met {
		t.Errorf("one that failed in a race is left out: %+v", got.Points)
	}
	if got := check(t, &analysis.Summary{Environment: s.Environment}, "vision.p95<=1s", Options{}); got.Met {
		t.Error("an empty run meets a requirement")
	}
}

func TestNamesThatAreNot(t *testing.T) {
	for text, hint := range map[string]string{
		"c:vision.p95<=1s": "a, b", "agent.p95<=1s": "vision", "vision.p95@3<=1s": "0 (20 req/s)",
	} {
		r, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Check(run(service(0)), r, Options{})
		var fault *Fault
		if !errors.As(err, &fault) || !strings.Contains(fault.Hint, hint) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// searched has a capacity of 24 cameras with an interval from 22 to 25, signed at 21.
func searched(state string) *analysis.Summary {
	s := run(service(0))
	for i := range s.Cells {
		k := &analysis.Capacity{Raised: "vision", Unit: "cameras", State: state, Above: num(20, "cameras"), Signed: num(21, "cameras")}
		load := analysis.CapacityLoad{Service: "vision", Unit: "cameras", Signed: num(21, "cameras")}
		if state == analysis.CapacityFound {
			k.Estimate, k.Low, k.High = num(24, "cameras"), num(22, "cameras"), num(25, "cameras")
			load.Estimate = k.Estimate
		}
		k.Loads = []analysis.CapacityLoad{load}
		s.Cells[i].Capacity = k
	}
	return s
}

func TestCapacity(t *testing.T) {
	for _, c := range []struct {
		text, state string
		sure, met   bool
	}{
		{"vision.capacity>=24", analysis.CapacityFound, false, true},
		{"vision.capacity>=24 cameras", analysis.CapacityFound, false, true},
		{"vision.capacity>24", analysis.CapacityFound, false, false},
		{"vision.capacity>=24", analysis.CapacityFound, true, false},
		{"vision.capacity>=22", analysis.CapacityFound, true, true},
		{"vision.capacity.low>=22", analysis.CapacityFound, false, true},
		{"vision.capacity.low>=22.1", analysis.CapacityFound, false, false},
		{"vision.signed>=21", analysis.CapacityFound, true, true},
		{"vision.signed>=22", analysis.CapacityFound, false, false},
		{"vision.capacity>=20", analysis.CapacityAlways, false, true},
		{"vision.capacity>=21", analysis.CapacityAlways, false, false},
		{"vision.capacity>=20", analysis.CapacityAlways, true, false}, // a bound has no interval
		{"vision.capacity>=1", analysis.CapacityDrift, false, false},
		{"vision.capacity.low>=1", analysis.CapacityAlways, false, false},
	} {
		if got := check(t, searched(c.state), c.text, Options{Sure: c.sure}); got.Met != c.met {
			t.Errorf("%s (%s, sure %v): %v, want %v: %+v", c.text, c.state, c.sure, got.Met, c.met, got.Points[got.Worst])
		}
	}
	r, err := Parse("vision.capacity>=20 req/s")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Check(searched(analysis.CapacityFound), r, Options{}); err == nil || !strings.Contains(err.Error(), "is in cameras, not in req/s") {
		t.Errorf("another unit: %v", err)
	}
}

// With all loads raised by one factor, the interval's end is in proportion.
func TestCapacityOfAFactor(t *testing.T) {
	s := searched(analysis.CapacityFound)
	for i := range s.Cells {
		k := s.Cells[i].Capacity
		k.Raised, k.Estimate, k.Low = "", num(2, "ratio"), num(1.5, "ratio")
	}
	for text, want := range map[string]bool{"vision.capacity.low>=18": true, "vision.capacity.low>18": false} {
		if got := check(t, s, text, Options{}); got.Met != want { // 24 · 1.5 ÷ 2
			t.Errorf("%s: %+v", text, got.Points[got.Worst])
		}
	}
}
