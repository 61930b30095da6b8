package main

import (
	"math"
	"testing"
)

// toy is a problem whose figures are products of powers of two numbers: in
// logarithms it is linear, so that what must come out can be reckoned.
func toy(exponents [][2]float64, truth [2]float64, width float64) *problem {
	var rows []*row
	index := map[*row]int{}
	for i, e := range exponents {
		r := &row{name: "toy", targets: map[string]float64{vlmLatency: math.Exp(e[0]*truth[0] + e[1]*truth[1])}}
		index[r] = i
		rows = append(rows, r)
	}
	one := free{now: 1, believed: 1, width: width}
	predict := func(x []float64, rows []*row) (map[*row]map[string]float64, error) {
		out := map[*row]map[string]float64{}
		for _, r := range rows {
			e := exponents[index[r]]
			out[r] = map[string]float64{vlmLatency: math.Exp(e[0]*x[0] + e[1]*x[1])}
		}
		return out, nil
	}
	return newProblem(rows, []free{one, one}, predict)
}

func quiet(string, ...any) {}

func TestSolveFindsWhatIsThere(t *testing.T) {
	p := toy([][2]float64{{1, 0}, {1, 1}, {0, 2}}, [2]float64{0.3, -0.2}, 10)
	x, err := p.solve([]float64{0, 0}, 5, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.3, -0.2} {
		if math.Abs(x[i]-want) > 1e-3 {
			t.Errorf("x%d = %v, want %v", i, x[i], want)
		}
	}
}

// With little measured, a parameter stays near what is believed of it: the
// optimum of (x-0.3)²/sigma² + (x/width)².
func TestSolveMindsBelief(t *testing.T) {
	const width = 0.01
	p := toy([][2]float64{{1, 0}}, [2]float64{0.03, 0}, width)
	x, err := p.solve([]float64{0, 0}, 5, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s := sigma(vlmLatency)
	if want := 0.03 / (s * s) / (1/(s*s) + 1/(width*width)); math.Abs(x[0]-want) > 1e-6 {
		t.Errorf("x = %v, want %v", x[0], want)
	}
	if x[1] != 0 {
		t.Errorf("what nothing measures went to %v", x[1])
	}
}

// A row that others determine is predicted; one that alone measures a
// parameter is not: what is believed of the parameter is, although the fit has
// seen the row.
func TestLeaveOneOutDoesNotLeak(t *testing.T) {
	truth := [2]float64{0.3, -0.2}
	p := toy([][2]float64{{1, 0}, {2, 0}, {0, 1}}, truth, 1)
	x, err := p.solve([]float64{0, 0}, 5, quiet)
	if err != nil {
		t.Fatal(err)
	}
	left, err := p.leaveOneOut(x)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{math.Exp(0.3), math.Exp(0.6), 1} {
		if got := left[p.rows[i]][vlmLatency]; math.Abs(got/want-1) > 1e-3 {
			t.Errorf("row %d is predicted to be %v, want %v", i, got, want)
		}
	}
	// The prior is where it was before any fit, wherever the files stand now.
	for i := range p.free {
		p.free[i].believed, p.free[i].now = 1, math.Exp(x[i])
	}
	if got, want := p.free[0].prior(), -x[0]; math.Abs(got-want) > 1e-12 {
		t.Errorf("the factor is believed to be %v, want %v", got, want)
	}
}

// Every published row is a cell of a preset, with its figures; the others have
// none.
func TestRowsOfThePublishedTables(t *testing.T) {
	all, err := rowsOf(0, options{}.read)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, r := range all {
		for figure, v := range r.targets {
			got[r.name+" "+figure] = v
		}
	}
	for name, want := range map[string]float64{
		"4.1 off-ts VLM responses": 2287, "4.1 2x1g.24gb-mps Vision": 22.63, "5.1 off-ts VLM latency": 47.2,
		"5.1 4x1g.24gb-mps VLM responses": 1032, "6 off-mps owl-v2": 7.447, "6 off-ts Vision": 23.77,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if len(got) != 12+10 || len(all) != 10+8 {
		t.Errorf("%d figures of %d rows", len(got), len(all))
	}
}

// Every free parameter changes the numbers at its paths, and those alone.
func TestFreeParametersChangeWhatTheySay(t *testing.T) {
	rows, err := rowsOf(0, options{}.read)
	if err != nil {
		t.Fatal(err)
	}
	all := freeParameters(thinkTimes(rows))
	for i, f := range all {
		x := make([]float64, len(all))
		x[i] = 0.5
		changed := changes(t, trialOf(all, make([]float64, len(all))).parameters, trialOf(all, x).parameters)
		if len(changed) != len(f.paths) {
			t.Errorf("%s changes %v, and says %q", f.name, changed, f.paths)
		}
		for _, path := range f.paths {
			if !changed[path] {
				t.Errorf("%s does not change %s", f.name, path)
			}
		}
		if !(f.now > 0 && f.believed > 0 && f.width > 0) {
			t.Errorf("%s: now %v, believed %v, width %v", f.name, f.now, f.believed, f.width)
		}
	}
}
