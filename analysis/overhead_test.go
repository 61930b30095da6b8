package analysis

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// counted adds to the first cell the account of a server that takes own for
// every vision request, read every so often from a moment on.
func counted(f *facts, from, every, own time.Duration, change func(finished, took float64, at time.Duration) (float64, float64)) {
	c := &f.cells[0]
	var more []results.Observation
	for t := from; t <= madeWarmup+madeWindow+time.Second; t += every {
		finished := 0.0
		for s, err := range c.steps[0].samples {
			if err == nil && s.Service == "vision" && s.Outcome == results.OK && time.Duration(s.Done) <= t {
				finished++
			}
		}
		took := finished * own.Seconds()
		if change != nil {
			finished, took = change(finished, took, t)
		}
		subject := results.Subject{Kind: results.SubjectEndpoint, ID: "vision-0"}
		more = append(more,
			results.Observation{At: at0(t), Source: results.SourceServer, Subject: subject, Series: results.SeriesServerFinished, Value: finished, Unit: "1"},
			results.Observation{At: at0(t), Source: results.SourceServer, Subject: subject, Series: results.SeriesServerTook, Value: took, Unit: "s"},
			results.Observation{At: at0(t), Source: results.SourceServer, Subject: results.Subject{Kind: results.SubjectHost, ID: "server"},
				Series: results.SeriesServerLate, Value: t.Seconds() / 1e6, Unit: "s"})
	}
	for o, err := range c.observations {
		if err == nil {
			more = append(more, o)
		}
	}
	c.observations = all(slices.Clone(more))
}

// visionOf is the vision service of the first cell. Its requests take 100 ms.
func visionOf(t *testing.T, f facts) (*Summary, Service) {
	t.Helper()
	s, err := summarize(f)
	if err != nil {
		t.Fatal(err)
	}
	return s, s.Cells[0].Steps[0].Services[0]
}

// Of 100 ms to the client the server knows 97 ms: 3 ms are HTTP's, 3 %. The
// outermost readings within the window of 10 s to 110 s are at 12 s and 110 s,
// and 20 requests end in each second between them, one of which was refused
// (the made-up run's number 500, of user 0, at 50 s).
func TestOverhead(t *testing.T) {
	f := madeRun()
	counted(&f, -2*time.Second, 7*time.Second, 97*time.Millisecond, nil) // -2, 5, 12, …, 103, 110
	s, v := visionOf(t, f)
	o := v.Overhead
	if o == nil || !o.Cost.Known() {
		t.Fatalf("unknown: %+v", o)
	}
	// 98 s · 20/s, less the one that was refused.
	if o.ServerN != 1959 || o.ClientN != 1959 {
		t.Errorf("%d requests by the server, %d by us, want 1959", o.ServerN, o.ClientN)
	}
	for _, c := range []struct {
		what      string
		got, want float64
	}{{"client", *o.Client.Number, 0.1}, {"server", *o.Server.Number, 0.097}, {"cost", *o.Cost.Number, 0.003}, {"share", *o.Share.Number, 0.03}} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s %v, want %v", c.what, c.got, c.want)
		}
	}
	if len(v.Overheads) != 1 || v.Overheads[0].Instance != "vision-0" || *v.Overheads[0].Cost.Number != *o.Cost.Number {
		t.Errorf("by instance: %+v", v.Overheads)
	}
	if late := s.Cells[0].Late; late == nil || *late != 110e-6 {
		t.Errorf("late by %v, want the last reading, 110 µs", late)
	}
	if agent := s.Cells[0].Steps[0].Services[1]; agent.Overhead != nil || s.Cells[1].Late != nil {
		t.Errorf("what told nothing has an overhead of %+v", agent.Overhead)
	}
	if warned(s, "http-cost") {
		t.Error("3 % is warned of")
	}
}

func warned(s *Summary, code string) bool {
	return slices.ContainsFunc(s.Warnings, func(w Warning) bool { return w.Code == code })
}

// The limit of 5 % is that of the warning, from both sides.
func TestOverheadIsWarnedOf(t *testing.T) {
	for own, want := range map[time.Duration]bool{95100 * time.Microsecond: false, 94900 * time.Microsecond: true} {
		f := madeRun()
		counted(&f, 0, time.Second, own, nil)
		if s, _ := visionOf(t, f); warned(s, "http-cost") != want {
			t.Errorf("a server that takes %v of 100 ms: warned %v, want %v", own, !want, want)
		}
	}
}

// The warning says whose time it was, in units that are read well, and advises
// what can be done: there is no scale below 1.
func TestOverheadWarning(t *testing.T) {
	o := Overhead{Client: known(24, "s"), Cost: known(10.6, "s"), Share: known(10.6/24, "ratio")}
	for scale, advised := range map[float64]bool{0: false, 1: false, 1.5: true, 60: true} {
		w, high := o.warning(scale)
		if !high || !strings.Contains(w.Text, "took 10.60 s of server time of the 24.00 s between sending and answer (44 %)") {
			t.Errorf("scale %v: %q", scale, w.Text)
		}
		if strings.Contains(w.Text, "smaller scale") != advised {
			t.Errorf("scale %v: advice %v in %q", scale, !advised, w.Text)
		}
	}
	for scale, advised := range map[float64]bool{1: false, 60: true} {
		f := madeRun()
		f.environment.SimulatedScale = scale
		counted(&f, 0, time.Second, 50*time.Millisecond, nil)
		s, _ := visionOf(t, f)
		i := slices.IndexFunc(s.Warnings, func(w Warning) bool { return w.Code == "http-cost" })
		if i < 0 || strings.Contains(s.Warnings[i].Text, "smaller scale") != advised {
			t.Errorf("a run at scale %v: %+v", scale, s.Warnings)
		}
	}
}

// Readings must span 80 s of the window's 100 s: from 31 s on they span 79 s.
func TestOverheadCoversTheWindow(t *testing.T) {
	for from, want := range map[time.Duration]bool{30 * time.Second: true, 31 * time.Second: false} {
		f := madeRun()
		counted(&f, from, time.Second, 97*time.Millisecond, nil)
		_, v := visionOf(t, f)
		if v.Overhead == nil || v.Overhead.Share.Known() != want {
			t.Errorf("readings from %v on: %+v", from, v.Overhead)
		} else if !want && !strings.Contains(v.Overhead.Share.Why, "cover 79 %") {
			t.Errorf("why: %s", v.Overhead.Share.Why)
		}
	}
}

// What cannot be told is unknown and says why.
func TestOverheadUnknown(t *testing.T) {
	for _, c := range []struct {
		why    string
		every  time.Duration
		change func(finished, took float64, at time.Duration) (float64, float64)
	}{
		{"fewer than two readings", 2 * time.Minute, nil},
		{"went back", time.Second, func(n, s float64, at time.Duration) (float64, float64) {
			if at > 50*time.Second {
				return 1, 0.1
			}
			return n, s
		}},
		{"the server finished 2199 requests, we had 1999", time.Second, func(n, s float64, at time.Duration) (float64, float64) {
			return math.Round(n * 1.1), s
		}},
		{"nothing ended", time.Second, func(float64, float64, time.Duration) (float64, float64) { return 5, 1 }},
	} {
		f := madeRun()
		counted(&f, 0, c.every, 90*time.Millisecond, c.change)
		s, v := visionOf(t, f)
		o := v.Overhead
		if o == nil || o.Cost.Known() || o.Share.Known() || !strings.Contains(o.Cost.Why, c.why) {
			t.Errorf("%s: %+v", c.why, o)
		}
		if warned(s, "http-cost") {
			t.Errorf("%s: warned of an unknown cost", c.why)
		}
	}
}
