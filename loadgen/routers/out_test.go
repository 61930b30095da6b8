package routers

import (
	"slices"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/routers/weighted"
	"pgregory.net/rapid"
)

// drawOut takes some instances out, never all.
func drawOut(t *rapid.T, outstanding []int64) {
	for i := range outstanding {
		if rapid.Bool().Draw(t, "out") {
			outstanding[i] = loadgen.Out
		}
	}
	outstanding[rapid.IntRange(0, len(outstanding)-1).Draw(t, "in")] = 0
}

func TestOutIsNotPicked(t *testing.T) {
	for _, name := range Kinds.Names() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				n := rapid.IntRange(1, 6).Draw(t, "instances")
				r := build(t, name, n)
				for range 8 {
					outstanding := rapid.SliceOfN(rapid.Int64Range(0, 9), n, n).Draw(t, "outstanding")
					drawOut(t, outstanding)
					for range 2 * n {
						q := chat(rapid.String().Draw(t, "system"), "")
						if p := r.Pick(rapid.Int64().Draw(t, "session"), q, outstanding); p < 0 || p >= n || outstanding[p] == loadgen.Out {
							t.Fatalf("picked %d of %v", p, outstanding)
						}
					}
				}
			})
		})
	}
}

// Kinds that take turns share among those that are in: as their weights, which are
// all 1 but for weighted, to within a round, whatever went before.
func TestOutLeavesSharesOfTheRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 5), 2, 6).Draw(t, "weights")
		r, err := weighted.New(weighted.Config{Weights: weights})
		if err != nil {
			t.Fatal(err)
		}
		routers := map[string]loadgen.Router{"weighted": r}
		for _, name := range []string{"round-robin", "least-outstanding"} {
			routers[name] = build(t, name, len(weights))
		}
		before := rapid.IntRange(0, 20).Draw(t, "before")
		outstanding := make([]int64, len(weights))
		drawOut(t, outstanding)
		for name, r := range routers {
			shares := weights
			if name != "weighted" {
				shares = slices.Repeat([]int{1}, len(weights))
			}
			for range before {
				r.Pick(0, nil, make([]int64, len(weights)))
			}
			round := 0
			for i, n := range outstanding {
				if n != loadgen.Out {
					round += shares[i]
				}
			}
			const rounds = 20
			picks := make([]int, len(weights))
			for range rounds * round {
				picks[r.Pick(0, nil, outstanding)]++
			}
			for i, n := range outstanding {
				if want := rounds * shares[i]; n != loadgen.Out && (picks[i] < want-shares[i]-1 || picks[i] > want+shares[i]+1) {
					t.Errorf("%s %v with %v: picks %v, want %d of instance %d", name, shares, outstanding, picks, want, i)
				}
			}
		}
	})
}

// What has one key moves only while its own instance is out, goes to one place
// meanwhile, and comes back.
func TestOutMovesItsOwnAlone(t *testing.T) {
	for name, pick := range keyed {
		const n, out, keys = 5, 2, 4000
		r := build(t, map[bool]string{true: "sticky", false: "prefix-hash"}[name == "sticky"], n)
		all, without := make([]int64, n), make([]int64, n)
		without[out] = loadgen.Out
		moved := make([]int, n)
		for key := range keys {
			before, meanwhile := pick(r, key, all), pick(r, key, without)
			if before != out && meanwhile != before || meanwhile != pick(r, key, without) {
				t.Fatalf("%s: key %d of instance %d goes to %d while %d is out", name, key, before, meanwhile, out)
			}
			if before == out {
				moved[meanwhile]++
			}
			if after := pick(r, key, all); after != before {
				t.Fatalf("%s: key %d of instance %d is with %d afterwards", name, key, before, after)
			}
		}
		// Some 800 keys move to 4 instances, 200 each, with a deviation of 12.
		for i, c := range moved {
			if i != out && (c < 130 || c > 270) {
				t.Errorf("%s: %v keys moved, want some 200 to each", name, moved)
			}
		}
	}
}
