package analysis

import (
	"math"
	"testing"

	"github.com/evabench/evabench/results"
)

func TestRoom(t *testing.T) {
	none := unknown("req/s", "nobody asked")
	for _, c := range []struct {
		from, to Value
		want     float64 // NaN: unknown
		why      string
	}{
		{known(60, "req/s"), known(90, "req/s"), 0.5, ""},
		{known(90, "req/s"), known(60, "req/s"), -1. / 3, ""},
		{known(0, "req/s"), known(60, "req/s"), math.NaN(), "the load is zero"},
		{none, known(60, "req/s"), math.NaN(), "nobody asked"},
		{known(60, "req/s"), inapplicable("req/s", "held"), math.NaN(), "held"},
	} {
		got := Room(c.from, c.to)
		if got.Known() == math.IsNaN(c.want) || got.Why != c.why || got.Known() && math.Abs(*got.Number-c.want) > 1e-15 {
			t.Errorf("from %v to %v: %+v, want %v %q", c.from, c.to, got, c.want, c.why)
		}
	}
}

// 9/s at a load of 6 are 12/s at 8. Of an unknown rate or load nothing follows.
func TestAlong(t *testing.T) {
	from, to := known(6, "cameras"), known(8, "cameras")
	if got := Along(known(9, "1/s"), from, to); !got.Known() || math.Abs(*got.Number-12) > 1e-12 || got.Unit != "1/s" {
		t.Errorf("%+v, want 12/s", got)
	}
	for _, v := range []Value{Along(unknown("1/s", "no answer"), from, to), Along(known(9, "1/s"), from, unknown("cameras", "no end"))} {
		if v.Known() || v.Why == "" || v.Unit != "1/s" {
			t.Errorf("%+v, want an unknown rate with its reason", v)
		}
	}
}

// 9 s of 12 s allowed leave a quarter, 15 of at least 12 too; 15 s of 12 s allowed are a
// quarter too much.
func TestLeft(t *testing.T) {
	for _, c := range []struct {
		op           string
		limit, value float64
		want         float64
	}{{"<", 12, 9, 0.25}, {"<=", 12, 15, -0.25}, {">=", 12, 15, 0.25}, {">", 12, 9, -0.25}} {
		got := ClauseValue{Clause: results.Clause{Op: c.op, Limit: c.limit}, Value: known(c.value, "s")}.Left()
		if !got.Known() || math.Abs(*got.Number-c.want) > 1e-12 {
			t.Errorf("%v %s %v: %+v, want %v", c.value, c.op, c.limit, got, c.want)
		}
	}
	if got := (ClauseValue{Clause: results.Clause{Op: "<=", Limit: 0}, Value: known(0, "ratio")}).Left(); got.Known() || !got.Inapplicable {
		t.Errorf("of no errors allowed: %+v", got)
	}
	if got := (ClauseValue{Clause: results.Clause{Op: "<", Limit: 1}, Value: unknown("s", "need n ≥ 29, have 12")}).Left(); got.Known() || got.Why != "need n ≥ 29, have 12" {
		t.Errorf("of an unknown value: %+v", got)
	}
}
