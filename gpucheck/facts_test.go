package main

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// Three pairs with ratios of 1.1, 1.2 and 1.3: the logarithms are 0.09531, 0.18232
// and 0.26236, their mean 0.18000 and deviation 0.08355; with t(0.975, 2) = 4.30265
// half of the interval is 0.20755. So +19.7 %, from -2.7 % to +47.3 %.
func TestPair(t *testing.T) {
	p, ok := pair(map[int]float64{1: 10, 2: 20, 3: 30, 4: 7}, map[int]float64{1: 11, 2: 24, 3: 39, 5: 1})
	if !ok || p.n != 3 || p.base != 20 || math.Abs(p.changed-74.0/3) > 1e-9 {
		t.Fatalf("got %+v, want three pairs of mean 20 and 24.67", p)
	}
	if got, want := p.text(), "+19.7 % [-2.7, +47.3], no difference shown"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	one, ok := pair(map[int]float64{1: 10}, map[int]float64{1: 12})
	if got, want := one.text(), "+20.0 % (one pair: no interval)"; !ok || got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, none := range []map[int]float64{nil, {2: 3}, {1: 0}} {
		if p, ok := pair(map[int]float64{1: 10}, none); ok {
			t.Errorf("a pair of 10 and %v: %+v", none, p)
		}
	}
}

// A part is not begun with less than its least; later parts keep theirs.
func TestShare(t *testing.T) {
	s := func(n int) time.Duration { return time.Duration(n) * time.Second }
	parts := []part{{"a", s(50), s(20), s(100)}, {"b", s(50), s(30), s(100)}, {"c", s(50), s(40), s(100)}}
	for _, c := range []struct {
		parts      []part
		left, want time.Duration
	}{
		{parts, s(300), s(100)}, {parts, s(170), s(100)}, {parts, s(169), s(99)},
		{parts, s(90), s(20)}, {parts, s(89), 0},
		{parts[2:], s(40), s(40)}, {parts[2:], s(39), 0}, {parts[2:], -s(5), 0},
	} {
		if got := share(c.parts, c.left); got != c.want {
			t.Errorf("share of %d parts with %v left: %v, want %v", len(c.parts), c.left, got, c.want)
		}
	}
}

// The course, as planned, fits into the time that there is; and so does the end.
func TestPlanFits(t *testing.T) {
	for form, limit := range map[string]time.Duration{onGPU: 8 * time.Minute, onCPU: 4 * time.Minute} {
		sum := 15*time.Second + reserve
		for _, p := range courses(form, limit) {
			if p.least > p.planned || p.planned > p.atMost {
				t.Errorf("%s, %s: least %v, planned %v, at most %v", form, p.name, p.least, p.planned, p.atMost)
			}
			sum += p.planned
		}
		if sum > limit {
			t.Errorf("%s: planned are %v of %v", form, sum, limit)
		}
	}
}

func TestMovement(t *testing.T) {
	key := series{"nvml", "gpu x", "nvml:power_instant_watts"}
	at := func(n int, mean, variance float64) map[series]level {
		return map[series]level{key: {n: n, mean: mean, variance: variance, unit: "W"}}
	}
	// Of 4 readings with variance 100 each, an error is sqrt(25 + 25) = 7.07, and
	// four of them are 28.28.
	for _, c := range []struct {
		rest, load map[series]level
		want       string
	}{
		{at(4, 300, 100), at(4, 328.2, 100), "1 false"}, {at(4, 300, 100), at(4, 328.4, 100), "1 true"},
		{at(4, 328.4, 100), at(4, 300, 100), "1 true"}, // down is movement too
		{at(2, 300, 0), at(4, 600, 0), "1 false"},      // too few
		{at(4, 300, 0), at(4, 302.9, 0), "1 false"},    // less than 1 %
		{at(4, 300, 0), at(4, 303.1, 0), "1 true"},
		{at(4, 300, 0), nil, "0"},
		{map[series]level{{"nvml", "x", "nvml:energy_joules"}: {n: 9, mean: 1}}, map[series]level{{"nvml", "x", "nvml:energy_joules"}: {n: 9, mean: 2}}, "0"},
	} {
		list := movement(c.rest, c.load)
		got := fmt.Sprint(len(list))
		if len(list) > 0 {
			got += fmt.Sprint(" ", list[0].differs)
		}
		if got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.rest, c.load, got, c.want)
		}
	}
}

func TestDifferences(t *testing.T) {
	const found = `{"gpus": [{"uuid": "GPU-1", "persistence": true, "processes": [{"pid": 7, "used_bytes": 1}]}, {"uuid": "GPU-2", "ecc": 1, "processes": [{"pid": 5}], "holders": [{"pid": 5}]}], "mps": [{"pid": 9, "clients": [7]}], "refused": {"gpu0": []}}`
	for _, c := range []struct{ was, is, want string }{
		{`"pid": 7`, `"pid": 8`, "gpus[0].processes[0].pid"},
		{`true`, `false`, "gpus[0].persistence: true, and afterwards false"},
		{`, "mps": [{"pid": 9, "clients": [7]}]`, ``, "mps: "},
		{`"processes": [`, `"processes": [{"pid": 6}, `, "gpus[0].processes: "},
		{`"pid": 9`, `"pid": 9, "own": true`, "mps[0].own: null, and afterwards true"},
		{`"ecc": 1`, `"ecc": 0`, "gpus[1].ecc: 1, and afterwards 0"},
		{`"processes": [{"pid": 5}], "holders": [{"pid": 5}]`, `"processes": [{"pid": 4}]`, ""}, // another card's
		{`"used_bytes": 1`, `"used_bytes": 2`, ""},
		{`"clients": [7]`, `"clients": []`, ""},
		{`"gpu0": []`, `"gpu0": ["x"]`, ""},
	} {
		now := strings.Replace(found, c.was, c.is, 1)
		if now == found {
			t.Fatalf("%s is not in it", c.was)
		}
		list := differences(read(found), read(now))
		if c.want == "" && len(list) > 0 || c.want != "" && (len(list) != 1 || !strings.HasPrefix(list[0], c.want)) {
			t.Errorf("%s for %s: %q, want %q", c.is, c.was, list, c.want)
		}
	}
	if list := differences(look{fault: "no driver"}, read(found)); len(list) != 1 {
		t.Errorf("a driver that came meanwhile: %q", list)
	}
	if list := differences(read(found), read("not JSON")); len(list) != 1 {
		t.Errorf("what cannot be read: %q", list)
	}
}

func TestOptions(t *testing.T) {
	for _, args := range [][]string{{"-cpu", "-sim", "h100x1"}, {"more"}, {"-limit", "soon"}} {
		var talk strings.Builder
		if _, err := readOptions(args, &talk); err == nil || talk.Len() == 0 {
			t.Errorf("%q: %v, and it says %q", args, err, talk.String())
		}
	}
	o, err := readOptions([]string{"-out", "x.tar.gz"}, &strings.Builder{})
	if err != nil || !strings.HasSuffix(o.out, "/x.tar.gz") || !strings.HasPrefix(o.evabench, "/") {
		t.Errorf("%+v, %v", o, err)
	}
}
