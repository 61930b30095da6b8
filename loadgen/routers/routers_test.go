package routers

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/routers/prefixhash"
	"github.com/evabench/evabench/loadgen/routers/weighted"
	"pgregory.net/rapid"
)

// build makes a router for so many instances.
func build(t rapid.TB, name string, instances int) loadgen.Router {
	t.Helper()
	spec := kind.Spec{Name: name}
	if name == "weighted" {
		spec.Decode = func(into any) error {
			into.(*weighted.Config).Weights = slices.Repeat([]int{1}, instances)
			return nil
		}
	}
	r, err := Kinds.Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := r.(loadgen.Sized); ok {
		if err := s.Fits(instances); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func chat(system, user string) *loadgen.Request {
	return &loadgen.Request{Messages: []loadgen.Message{{Role: "system", Text: system}, {Role: "user", Text: user}}}
}

func TestEveryFolderIsListed(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
		}
	}
	var listed []string
	for _, n := range Kinds.Names() {
		listed = append(listed, strings.ReplaceAll(n, "-", ""))
	}
	if len(folders) == 0 || !slices.Equal(folders, listed) || !slices.IsSorted(Kinds.Names()) {
		t.Errorf("folders %v, listed %v", folders, listed)
	}
}

func TestPickIsInRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "instances")
		r := build(t, rapid.SampledFrom(Kinds.Names()).Draw(t, "kind"), n)
		outstanding := rapid.SliceOfN(rapid.Int64Range(0, 9), n, n).Draw(t, "outstanding")
		for range 6 * n {
			q := chat(rapid.String().Draw(t, "system"), rapid.String().Draw(t, "user"))
			if p := r.Pick(rapid.Int64().Draw(t, "session"), q, outstanding); p < 0 || p >= n {
				t.Fatalf("picked %d of %d", p, n)
			}
		}
	})
}

// With equal load these kinds are even to the request.
func TestTurnsAreEven(t *testing.T) {
	for _, name := range []string{"least-outstanding", "round-robin", "weighted"} {
		for n := 1; n <= 6; n++ {
			r, picks := build(t, name, n), make([]int, n)
			for i := range 6 * n {
				picks[r.Pick(int64(i), &loadgen.Request{}, make([]int64, n))]++
			}
			if slices.Min(picks) != 6 || slices.Max(picks) != 6 {
				t.Errorf("%s: idle instances were picked %v times each, want 6", name, picks)
			}
		}
	}
}

func TestLeastOutstandingTakesTheSmallest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outstanding := rapid.SliceOfN(rapid.Int64Range(0, 9), 1, 8).Draw(t, "outstanding")
		r := build(t, "least-outstanding", len(outstanding))
		for range 10 {
			if p := r.Pick(0, &loadgen.Request{}, outstanding); outstanding[p] != slices.Min(outstanding) {
				t.Fatalf("picked %d of %v", p, outstanding)
			}
		}
	})
}

// Weights give exact shares of every round.
// The instances that are equally free share evenly, wherever a busy one stands.
func TestLeastOutstandingSharesAmongEquals(t *testing.T) {
	r := build(t, "least-outstanding", 4)
	var picks [4]int
	for range 3000 {
		picks[r.Pick(0, nil, []int64{1, 0, 0, 0})]++
	}
	if want := [4]int{0, 1000, 1000, 1000}; picks != want {
		t.Errorf("picks %v, want %v", picks, want)
	}
}

func TestWeightedShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 9), 1, 6).Draw(t, "weights")
		total := 0
		for _, w := range weights {
			total += w
		}
		r, err := weighted.New(weighted.Config{Weights: weights})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			picks := make([]int, len(weights))
			for range total {
				picks[r.Pick(0, nil, make([]int64, len(weights)))]++
			}
			if !slices.Equal(picks, weights) {
				t.Fatalf("weights %v got %v", weights, picks)
			}
		}
		sized := r.(loadgen.Sized)
		for n, fits := range map[int]bool{len(weights) + 1: false, len(weights): true, 1: true} {
			if err := sized.Fits(n); (err == nil) != fits {
				t.Fatalf("%v for %d instances: %v", weights, n, err)
			}
		}
		if p := r.Pick(0, nil, make([]int64, 1)); p != 0 {
			t.Fatalf("picked %d of one instance", p)
		}
	})
	// The order that nginx' commit on the algorithm gives for 5, 1, 1.
	r, err := weighted.New(weighted.Config{Weights: []int{5, 1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	order := ""
	for range 7 {
		order += string("abc"[r.Pick(0, nil, make([]int64, 3))])
	}
	if order != "aabacaa" {
		t.Errorf("5, 1, 1 gives %s, want aabacaa", order)
	}
}

// keyed are kinds that send what has one key to one instance.
var keyed = map[string]func(r loadgen.Router, key int, outstanding []int64) int{
	"sticky": func(r loadgen.Router, key int, outstanding []int64) int {
		return r.Pick(int64(key), chat("same", "same"), outstanding)
	},
	"prefix-hash": func(r loadgen.Router, key int, outstanding []int64) int {
		return r.Pick(7, chat(fmt.Sprint("prompt ", key), "same"), outstanding)
	},
	"prefix-hash without text": func(r loadgen.Router, key int, outstanding []int64) int {
		return r.Pick(int64(key), &loadgen.Request{Image: []byte{1}}, outstanding)
	},
}

// A key stays where it is; keys spread evenly; and an instance that is added
// takes its share from the others and moves nothing else.
func TestConsistent(t *testing.T) {
	const keys = 20_000
	for name, pick := range keyed {
		word, _, _ := strings.Cut(name, " ")
		before := make([]int, keys)
		for n := 1; n <= 9; n++ {
			r, picks, moved := build(t, word, n), make([]float64, n), 0.0
			for key := range keys {
				p := pick(r, key, make([]int64, n))
				if again := pick(r, key, make([]int64, n)); again != p {
					t.Fatalf("%s: key %d goes to %d and to %d of %d", name, key, p, again, n)
				}
				if n > 1 && p != before[key] {
					if moved++; p != n-1 {
						t.Fatalf("%s: key %d moves from %d to %d when %d is added", name, key, before[key], p, n-1)
					}
				}
				before[key] = p
				picks[p]++
			}
			// Five standard deviations of a binomial count.
			mean := float64(keys) / float64(n)
			for i, c := range picks {
				if math.Abs(c-mean) > 5*math.Sqrt(mean) {
					t.Errorf("%s: instance %d of %d has %.0f keys, want %.0f", name, i, n, c, mean)
				}
			}
			if n > 1 && moved != picks[n-1] {
				t.Errorf("%s: %.0f keys moved to an instance that has %.0f", name, moved, picks[n-1])
			}
		}
	}
}

func prefixHash(t rapid.TB, c prefixhash.Config) loadgen.Router {
	t.Helper()
	r, err := prefixhash.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Only the first characters count, over messages and with or without the system
// prompt. With 64 instances, things that differ are told apart by one of 20.
func TestPrefix(t *testing.T) {
	outstanding := make([]int64, 64)
	same := func(c prefixhash.Config, a, b func(i int) *loadgen.Request) bool {
		r := prefixHash(t, c)
		for i := range 20 {
			if r.Pick(1, a(i), outstanding) != r.Pick(2, b(i), outstanding) {
				return false
			}
		}
		return true
	}
	talk := func(system, user string) func(int) *loadgen.Request {
		return func(i int) *loadgen.Request { return chat(fmt.Sprint(system, i), fmt.Sprint(user, i)) }
	}
	long := strings.Repeat("é", 20)
	for _, c := range []struct {
		name string
		prefixhash.Config
		a, b func(int) *loadgen.Request
		want bool
	}{
		{"unlike in the last character that counts", prefixhash.Config{Chars: 9}, talk("", "12345678a"), talk("", "12345678b"), false},
		{"unlike after them", prefixhash.Config{Chars: 8}, talk("", "12345678a"), talk("", "12345678b"), true},
		{"characters, not bytes", prefixhash.Config{Chars: 20, System: true},
			func(i int) *loadgen.Request { return chat(long, fmt.Sprint("x", i)) }, func(i int) *loadgen.Request { return chat(long, fmt.Sprint("y", i)) }, true},
		{"one more", prefixhash.Config{Chars: 21, System: true},
			func(i int) *loadgen.Request { return chat(long, fmt.Sprint(i, "x")) }, func(i int) *loadgen.Request { return chat(long, fmt.Sprint(i+100, "y")) }, false},
		{"system prompts", prefixhash.Config{Chars: 256, System: true}, talk("a", "same"), talk("b", "same"), false},
		{"without system prompts", prefixhash.Config{Chars: 256}, talk("a", "same"), talk("b", "same"), true},
		{"users without system prompts", prefixhash.Config{Chars: 256}, talk("same", "a"), talk("same", "b"), false},
		{"where a message ends", prefixhash.Config{Chars: 256, System: true},
			func(i int) *loadgen.Request { return chat(fmt.Sprint(i, "ab"), "c") }, func(i int) *loadgen.Request { return chat(fmt.Sprint(i, "a"), "bc") }, false},
	} {
		if got := same(c.Config, c.a, c.b); got != c.want {
			t.Errorf("%s: alike is %v, want %v", c.name, got, c.want)
		}
	}
}

// The bound holds whatever is in flight: never more than Load times the mean,
// with the new request, rounded up; and one prefix fills all instances.
func TestPrefixLoadIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := prefixhash.Default
		c.Load = rapid.Float64Range(1, 3).Draw(t, "load")
		outstanding := rapid.SliceOfN(rapid.Int64Range(0, 30), 1, 8).Draw(t, "outstanding")
		total := int64(1)
		for _, n := range outstanding {
			total += n
		}
		p := prefixHash(t, c).Pick(0, chat("", rapid.String().Draw(t, "prompt")), outstanding)
		if most := math.Ceil(c.Load * float64(total) / float64(len(outstanding))); float64(outstanding[p]+1) > most {
			t.Fatalf("picked %d of %v, where at most %v fit", p, outstanding, most)
		}
	})
	for load, want := range map[float64][]int64{0: {0, 0, 0, 100}, 1: {25, 25, 25, 25}} {
		c := prefixhash.Default
		c.Load = load
		r, outstanding := prefixHash(t, c), make([]int64, 4)
		for range 100 {
			outstanding[r.Pick(0, chat("", "one prompt"), outstanding)]++
		}
		if slices.Sort(outstanding); !slices.Equal(outstanding, want) {
			t.Errorf("load %v: one prefix is on %v, want %v", load, outstanding, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []prefixhash.Config{{}, {Chars: 1_000_001}, {Chars: 1, Load: 0.9}, {Chars: 1, Load: math.NaN()}, {Chars: 1, Load: -1}} {
		if _, err := prefixhash.New(c); err == nil {
			t.Errorf("prefix-hash %+v was accepted", c)
		}
	}
	for _, w := range [][]int{nil, {0}, {1, -1}, {1001}} {
		if _, err := weighted.New(weighted.Config{Weights: w}); err == nil {
			t.Errorf("weighted %v was accepted", w)
		}
	}
}

// Picking is on the path of every request and allocates nothing.
func TestPickAllocatesNothing(t *testing.T) {
	q, outstanding, n := chat("a prompt", "and more"), make([]int64, 8), int64(0)
	for _, name := range Kinds.Names() {
		r := build(t, name, len(outstanding))
		if allocs := testing.AllocsPerRun(200, func() {
			n++
			r.Pick(n, q, outstanding)
		}); allocs != 0 {
			t.Errorf("%s allocates %v times", name, allocs)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	q, outstanding := chat(strings.Repeat("a prompt ", 40), "and more"), make([]int64, 8)
	for _, name := range Kinds.Names() {
		b.Run(name, func(b *testing.B) {
			r := build(b, name, len(outstanding))
			b.ReportAllocs()
			for n := int64(0); b.Loop(); n++ {
				r.Pick(n, q, outstanding)
			}
		})
	}
}
