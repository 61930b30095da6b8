package loadgen

import (
	"math"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// A time that a server told is taken as it is or not at all, and one that is none
// takes the other with it, whichever came first.
func TestTold(t *testing.T) {
	for _, c := range []struct {
		ms   float64
		want time.Duration // results.Untold: refused
	}{
		{0, 0}, {12.3456789, 12345679}, {24 * 3600e3, 24 * time.Hour}, {1e-9, 0},
		{-1e-9, results.Untold}, {-3, results.Untold}, {24*3600e3 + 1, results.Untold}, {1e300, results.Untold},
		{math.NaN(), results.Untold}, {math.Inf(1), results.Untold}, {math.Inf(-1), results.Untold},
	} {
		refused := c.want == results.Untold
		other := time.Second
		if refused {
			other = results.Untold
		}
		for name, tell := range map[string]func(*Answer){
			"first": func(a *Answer) { a.ToldQueue(c.ms); a.ToldWork(1000) },
			"last":  func(a *Answer) { a.ToldWork(1000); a.ToldQueue(5); a.ToldQueue(c.ms) },
		} {
			var x Exchange
			x.Begin()
			tell(&x.Answer)
			if a := x.Answer; a.ServerQueue != c.want || a.ServerWork != other || a.ServerRefused != refused {
				t.Errorf("%g ms %s: %v in the queue, %v of work, refused %v; want %v, %v, %v", c.ms, name, a.ServerQueue, a.ServerWork, a.ServerRefused, c.want, other, refused)
			}
		}
	}
}
