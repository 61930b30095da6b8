package scenarios

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

func TestLoads(t *testing.T) {
	read := func(old, new string) *Scenario {
		t.Helper()
		s, err := Read("f.yaml", []byte(change(t, old, new)), checks())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	gamma := read("{arrivals: poisson, levels: [1, 2.5]}", `
      arrivals: gamma
      burstiness: 0.25
      levels: [1, 2.5]
      shape: [{at: 0s, factor: 1}, {at: 1s, factor: 1}, {at: 1s, factor: 5}, {at: 2s, factor: 0}]`).Services[0].Load
	want := Load{Arrivals: Gamma, Levels: []float64{1, 2.5}, Burstiness: 0.25,
		Shape: []RatePoint{{0, 1}, {time.Second, 1}, {time.Second, 5}, {2 * time.Second, 0}}}
	if !reflect.DeepEqual(gamma, want) || gamma.Unit() != "req/s" {
		t.Errorf("got %+v in %s, want %+v", gamma, gamma.Unit(), want)
	}
	trace := read("{arrivals: closed, levels: [4]}", "{arrivals: trace, file: day.csv, levels: [0.5]}")
	if l := trace.Services[1].Load; l.File != "day.csv" || l.Levels[0] != 0.5 || trace.StepPlans()[0].Levels[1].Unit != "x" {
		t.Errorf("got %+v, steps %+v", l, trace.StepPlans())
	}
	retry := read("    slo:", "    retry: {attempts: 2, on: [shed, http_5xx], pause: 250ms}\n    slo:").Services
	if got, want := retry[0].Retry, (Retry{2, []results.Outcome{results.Shed, results.HTTP5xx}, 250 * time.Millisecond}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := retry[1].Retry; !reflect.DeepEqual(got, Retry{}) {
		t.Errorf("without the key: %+v", got)
	}
	if got := read("    slo:", "    retry: {attempts: 1, on: [oom]}\n    slo:").Services[0].Retry.Pause; got != time.Second {
		t.Errorf("a pause that is not told: %v", got)
	}
}

// TestLoadFaults checks one mistake at a time in line 11, the load of eyes, or in
// line 19, that of mind.
func TestLoadFaults(t *testing.T) {
	const eyes, mind, slo = "{arrivals: poisson, levels: [1, 2.5]}", "{arrivals: closed, levels: [4]}", "    slo:"
	retry := func(args string) string { return "    retry: {" + args + "}\n    slo:" }
	for _, c := range []struct{ old, new, want string }{
		{eyes, "{arrivals: gamma, levels: [1]}", "11:11: services.eyes.load has no burstiness"},
		{eyes, "{arrivals: gamma, burstiness: 0.009, levels: [1]}", "11:41: services.eyes.load.burstiness is 0.01 to 100"},
		{eyes, "{arrivals: gamma, burstiness: 100.5, levels: [1]}", "11:41: services.eyes.load.burstiness is 0.01 to 100"},
		{eyes, "{arrivals: gamma, burstiness: high, levels: [1]}", "11:41: services.eyes.load.burstiness is a number"},
		{eyes, "{arrivals: poisson, burstiness: 1, levels: [1]}", "11:43: services.eyes.load.burstiness goes with gamma, not poisson"},
		{eyes, "{arrivals: trace, levels: [1]}", "11:11: services.eyes.load has no file"},
		{eyes, "{arrivals: trace, file: \"\", levels: [1]}", "11:35: services.eyes.load.file is empty"},
		{eyes, "{arrivals: trace, file: x, levels: [0]}", "11:47: services.eyes.load.levels are above 0"},
		{eyes, "{arrivals: constant, file: x, levels: [1]}", "11:38: services.eyes.load.file goes with trace, not constant"},
		{eyes, "{arrivals: gama, levels: [1]}", `11:22: services.eyes.load.arrivals "gama" is not known`},
		{eyes, "{arrivals: poisson, levels: [1], shape: []}", "11:51: services.eyes.load.shape is empty"},
		{eyes, "{arrivals: poisson, levels: [1], shape: [{at: 0s}]}", "11:52: services.eyes.load.shape[0] has no factor"},
		{eyes, "{arrivals: poisson, levels: [1], shape: [{at: -1s, factor: 1}]}", "11:57: services.eyes.load.shape[0].at is within the window, 0s to 2s, not -1s"},
		{eyes, "{arrivals: poisson, levels: [1], shape: [{at: 3s, factor: 1}]}", "11:57: services.eyes.load.shape[0].at is within the window"},
		{eyes, "{arrivals: poisson, levels: [1], shape: [{at: 1s, factor: 1}, {at: 0s, factor: 1}]}", "11:78: services.eyes.load.shape[1].at is before"},
		{eyes, "{arrivals: poisson, levels: [1], shape: [{at: 1s, factor: -1}, {at: 1s, factor: 1}]}", "11:69: services.eyes.load.shape[0].factor is 0 to 1000, not -1"},
		{eyes, "{arrivals: poisson, levels: [1], shape: [{at: 1s, factor: 1001}]}", "11:69: services.eyes.load.shape[0].factor is 0 to 1000"},
		{eyes, "{arrivals: poisson, levels: [1], shape: [{at: 1s, factor: 0}]}", "11:51: services.eyes.load.shape has no factor above 0"},
		{mind, "{arrivals: closed, levels: [4], shape: [{at: 1s, factor: 2}]}", "19:50: services.mind.load.shape goes with open loops"},
		{slo, retry("attempts: 0, on: [shed]"), "12:23: services.eyes.retry.attempts is 1 to 100, not 0"},
		{slo, retry("attempts: 101, on: [shed]"), "12:23: services.eyes.retry.attempts is 1 to 100, not 101"},
		{slo, retry("on: [shed]"), "12:12: services.eyes.retry has no attempts"},
		{slo, retry("attempts: 1"), "12:12: services.eyes.retry has no on"},
		{slo, retry("attempts: 1, on: []"), "12:30: services.eyes.retry.on is empty"},
		{slo, retry("attempts: 1, on: [ok]"), `12:31: services.eyes.retry.on does not know "ok"`},
		{slo, retry("attempts: 1, on: [not_sent]"), `12:31: services.eyes.retry.on does not know "not_sent"`},
		{slo, retry("attempts: 1, on: [oom, oom]"), "12:36: services.eyes.retry.on repeats oom"},
		{slo, retry("attempts: 1, on: [oom], pause: -1s"), "12:44: services.eyes.retry.pause is not negative"},
		{slo, retry("attempts: 1, on: [oom], pauses: 1s"), `12:37: unknown key "pauses"`},
	} {
		oneFault(t, change(t, c.old, c.new), checks(), c.want)
	}
}

// oneFault reads a scenario that must have exactly one fault, at its place.
func oneFault(t *testing.T, text string, c Checks, want string) {
	t.Helper()
	_, err := Read("f.yaml", []byte(text), c)
	faults := Faults(err)
	if len(faults) != 1 {
		t.Errorf("got %d faults, want 1, %s:\n%v", len(faults), want, err)
		return
	}
	f := faults[0]
	if got := fmt.Sprintf("%d:%d: %s", f.Line, f.Column, f.Text); !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A caller's check of loads sees every level of a load without faults, and its
// fault stands at the level, or at a trace's file.
func TestArrivalsCheck(t *testing.T) {
	c, seen := checks(), 0
	c.Arrivals = func(l Load, level float64) error {
		seen++
		if level == 2.5 || l.File == "none" {
			return errors.New("no such load")
		}
		return nil
	}
	oneFault(t, small, c, "11:43: no such load")
	if seen != 3 {
		t.Errorf("%d levels were checked, want 3", seen)
	}
	oneFault(t, strings.Replace(change(t, "{arrivals: closed, levels: [4]}", "{arrivals: trace, file: none, levels: [1, 2]}"), "2.5", "2", 1), c, "19:35: no such load")
	oneFault(t, change(t, "[1, 2.5]}", "[1, 2.5], fps: 4}"), c, "11:54: services.eyes.load.fps goes with cameras")
}
