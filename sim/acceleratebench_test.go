package sim

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
)

// numbers calls f with every span and every fraction below v, with its path;
// slices are given one element first if fresh is set. What other packages build
// (interfaces, functions, pointers) is theirs.
func numbers(v reflect.Value, path string, fresh bool, f func(path string, v reflect.Value)) {
	if v.Type() == reflect.TypeFor[time.Duration]() || v.Type() == reflect.TypeFor[results.Offset]() {
		f(path, v)
		return
	}
	switch v.Kind() {
	case reflect.Float64:
		f(path, v)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				numbers(v.Field(i), strings.TrimPrefix(path+"."+field.Name, "."), fresh, f)
			}
		}
	case reflect.Slice:
		if fresh {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		for i := range v.Len() {
			numbers(v.Index(i), path, fresh, f)
		}
	}
}

// Every span of a bench is turned into the clock's, those too that a service, a
// load or a bench will have one day: the test finds them by their types. Rates
// and other fractions have one type, so each is told here for what it is.
func TestEverySpanOfABenchIsTurned(t *testing.T) {
	const k, span, fraction = 60, time.Hour, 100.0
	fractions := map[string]float64{ // by what they are multiplied
		"Services.Service.Load.FPS":           k,
		"Services.Service.Load.Levels":        1, // the chooser's plans hold them, and are turned
		"Services.Service.Load.Burstiness":    1, // the form of gaps, of any length
		"Services.Service.Load.Shape.Factor":  1, // of the level
		"Services.Service.Percentiles":        1, // shares
		"Services.Service.Models.MemoryShare": 1, // of a device
		"Services.Service.SLO.Limit":          1, // of a clause that is of no time
		"Services.Service.SLO.Quantile":       1, // a share
	}
	spans := []string{
		"CollectEvery", "LookEvery", "Services.Service.Load.FailurePause", "Services.Service.Load.Ramp",
		"Services.Service.Load.Shape.At", "Services.Service.Load.Think", "Services.Service.Retry.Pause", "Services.Service.Timeout", "Services.Service.Warm",
	}
	var given runner.Bench
	numbers(reflect.ValueOf(&given).Elem(), "", true, func(_ string, v reflect.Value) {
		if v.Kind() == reflect.Float64 {
			v.SetFloat(fraction)
		} else {
			v.SetInt(int64(span))
		}
	})
	given.NewChooser = func(scenarios.Cell) runner.Chooser { return &planned{} }
	before := fmt.Sprint(given.Services)
	seen := map[string]bool{}
	turned := Accelerate(k).Bench(given)
	numbers(reflect.ValueOf(turned).Elem(), "", false, func(path string, v reflect.Value) {
		seen[path] = true
		if v.Kind() != reflect.Float64 {
			if got := time.Duration(v.Int()); got != span/k {
				t.Errorf("%s is %v on the clock, want %v / %v", path, got, span, k)
			}
			return
		}
		factor, known := fractions[path]
		if got := v.Float(); !known || got != fraction*factor {
			t.Errorf("%s is %v on the clock; is it known: %v; want %v x %v", path, got, known, fraction, factor)
		}
	})
	for _, path := range slices.Concat(spans, slices.Collect(maps.Keys(fractions))) {
		if !seen[path] {
			t.Errorf("%s was not found", path)
		}
	}
	if after := fmt.Sprint(given.Services); after != before {
		t.Errorf("the caller's services were changed to %s", after)
	}
}

// What a bench leaves to a default is that default in server time.
func TestDefaultsAreServerTime(t *testing.T) {
	const k = 4
	b := Accelerate(k).Bench(runner.Bench{Services: make([]runner.Service, 1)})
	l := b.Services[0].Load
	if l.FailurePause != loadgen.DefaultFailurePause/k || l.Ramp != loadgen.DefaultRamp/k || b.CollectEvery != runner.DefaultCollectEvery/k {
		t.Errorf("pause %v, ramp %v, readings each %v", l.FailurePause, l.Ramp, b.CollectEvery)
	}
	if l.Think != 0 {
		t.Errorf("users who do not think think for %v", l.Think)
	}
}

// Levels are rates or speeds, which grow, or numbers of something, which do not; each
// kind of arrivals is known for one of them.
func TestLevelsAreRatesOrNumbers(t *testing.T) {
	numbersOf := []string{scenarios.Cameras, scenarios.Closed}
	for _, kind := range scenarios.ArrivalKinds() {
		unit := scenarios.Load{Arrivals: kind}.Unit()
		rate := isRate(results.Level{Arrivals: kind, Unit: unit})
		if rate == slices.Contains(numbersOf, kind) || rate != (strings.HasSuffix(unit, "/s") || unit == "x") {
			t.Errorf("arrivals %q in %s: taken for a rate: %v", kind, unit, rate)
		}
	}
	if len(scenarios.ArrivalKinds()) < 6 {
		t.Errorf("arrivals %q, want at least the six that there were", scenarios.ArrivalKinds())
	}
}
