package search

import (
	"testing"

	"github.com/evabench/evabench/analysis"
)

// One replicate told nothing of a, and was a bad one for b: in every block of both b leads by
// 4 %, which is more than the two means say, and of the other sign.
func TestRaceComparesWhatBothHave(t *testing.T) {
	r, err := NewRace(meeting(1, 1).env, meeting(1, 1).entries(8))
	if err != nil {
		t.Fatal(err)
	}
	a, b := r.racers[0], r.racers[1]
	for _, x := range r.racers {
		x.screened, x.told = &screening{capacity: 100, spread: 0.01}, 5
	}
	b.blocks = append(b.blocks, block{replicate: 2, capacity: 88, spread: 0.01})
	for _, at := range []struct{ replicate, a, b float64 }{{3, 100, 104.1}, {4, 100, 104}, {5, 100, 103.9}} {
		a.blocks = append(a.blocks, block{replicate: int(at.replicate), capacity: at.a, spread: 0.01})
		b.blocks = append(b.blocks, block{replicate: int(at.replicate), capacity: at.b, spread: 0.01})
	}
	if !(a.capacity() > b.capacity()) {
		t.Fatalf("means of %g and %g: the case shows nothing", a.capacity(), b.capacity())
	}
	if best := r.incumbent(); best != b {
		t.Errorf("the best is %s", best.config)
	}
	r.judge(6)
	if r.decided && r.state == analysis.RaceEquivalent {
		t.Errorf("4 %% apart in every block of both, and %s", r.verdict())
	}
}
