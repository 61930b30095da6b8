package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestMSER5(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	values := make([]float64, 1000)
	for i := range values {
		values[i] = 10 + r.NormFloat64()
		if i < 200 {
			values[i] += 20
		}
	}
	if cut := MSER5(values); cut < 200 || cut > 250 {
		t.Errorf("200 of 1000 are the transient, cut %d", cut)
	}
	for i := range values[:700] { // most of it: capped at half
		values[i] = 100
	}
	if cut := MSER5(values); cut > 500 {
		t.Errorf("cut %d of 1000, more than half", cut)
	}
	for _, n := range []int{0, 4, 5} {
		if cut := MSER5(values[:n]); cut != 0 {
			t.Errorf("%d values: cut %d", n, cut)
		}
	}
}

// line gives calls each 100 ms, alone in flight, that take what took gives.
func line(seconds float64, took func(at float64) float64) []Call {
	var calls []Call
	for at := 0.0; at < seconds; at += 0.1 {
		calls = append(calls, Call{Due: at, Done: at + took(at), OK: true})
	}
	return calls
}

func TestSteady(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	noise := func() float64 { return 0.05 * (1 + 0.01*r.NormFloat64()) }
	for _, c := range []struct {
		name   string
		took   func(at float64) float64
		judged bool
		drifts bool
	}{
		{"steady", func(float64) float64 { return noise() }, true, false},
		{"4 % in the window", func(at float64) float64 { return noise() * (1 + 0.04*(at-20)/100) }, true, false},
		{"6.5 % in the window", func(at float64) float64 { return noise() * (1 + 0.065*(at-20)/100) }, true, true},
		{"faster by 7 %", func(at float64) float64 { return noise() * (1 - 0.07*(at-20)/100) }, true, true},
		{"slow until the window", func(at float64) float64 {
			if at < 20 {
				return 2 * noise()
			}
			return noise()
		}, true, false},
		{"slow until 10 s into it", func(at float64) float64 {
			if at < 30 {
				return 1.2 * noise()
			}
			return noise()
		}, true, true},
		{"long calls", func(float64) float64 { return 6 + noise() }, false, false},
	} {
		d := Steady(line(120, c.took), 20, 120)
		if d.Judged != c.judged || d.Drifts != c.drifts || (d.Why != "") != (d.Drifts || !d.Judged) {
			t.Errorf("%s: %+v", c.name, d)
		}
		if c.name == "slow until 10 s into it" && math.Abs(d.Settled-30) > 1 {
			t.Errorf("%s: settled at %v s, want 30", c.name, d.Settled)
		}
	}
	brief := line(10.9, func(at float64) float64 { return 0.05 + at/1000 })
	if d := Steady(brief, 1, 10.9); d.Judged {
		t.Errorf("9.9 s: %+v", d)
	}
	if d := Steady(brief, 0.9, 10.9); !d.Judged || !d.Drifts {
		t.Errorf("10 s: %+v", d)
	}
	if d := Steady(nil, 0, 100); d.Judged || d.Drifts || d.Why == "" {
		t.Errorf("nothing: %+v", d)
	}
}

// At most 2 % of steady windows are called drifting, at loads up to 0.95 of
// saturation. In full it prints how often a server that becomes slower is seen.
func TestSteadinessOfQueues(t *testing.T) {
	n := repeats(20)
	type change struct {
		name   string
		slower func(window float64) func(at float64) float64
	}
	changes := []change{{"steady", func(float64) func(float64) float64 { return nil }}}
	if *full {
		changes = append(changes,
			change{"20 % slower by the end", func(w float64) func(float64) float64 {
				return func(at float64) float64 { return 1 + 0.2*max(0, at-w/5)/w }
			}},
			change{"warm-up of 60 %, falling with 20 s", func(float64) func(float64) float64 {
				return func(at float64) float64 { return 1 + 0.6*math.Exp(-at/20) }
			}})
	}
	for _, s := range systems {
		t.Run(s.name, func(t *testing.T) {
			for _, window := range []float64{60, 300} {
				if window > 60 && (!*full || s.cap > 100) {
					continue // the fast ones' minute has as many requests
				}
				for _, load := range []float64{0.3, 0.7, 0.85, 0.95} {
					for _, c := range changes {
						s.slower = c.slower(window)
						drifts, judged := s.drifts(n, load, window)
						t.Logf("%-24s %.2f of saturation, %3.0f s, %s: %5.1f %% drift, %3.0f %% judged (n = %d)", s.name, load, window, c.name, percent(drifts, n), percent(judged, n), n)
						if c.name == "steady" && drifts > max(1, n*2/100) {
							t.Errorf("%s at %v: %d of %d steady windows drift", s.name, load, drifts, n)
						}
					}
				}
			}
		})
	}
}

// drifts counts the windows, after a fifth of warm-up, that are called drifting.
func (s system) drifts(n int, load, window float64) (drifts, judged int) {
	for i := range n {
		d := Steady(s.calls(uint64(i), load*s.saturation(), window*1.2), window*0.2, window*1.2)
		if d.Drifts {
			drifts++
		}
		if d.Judged {
			judged++
		}
	}
	return drifts, judged
}
