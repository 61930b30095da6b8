package nvidia

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// TestCardsOfPartition: the cards by which package partition tests its plans are those
// of the table, as Inspect tells of them.
func TestCardsOfPartition(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "cards", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cards: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got partition.GPU
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		want := newRig(t, got.Name).inspect("0").GPUs[0]
		if !reflect.DeepEqual(got.Profiles, want.Profiles) {
			t.Errorf("%s has the profiles\n%+v, the table\n%+v", file, got.Profiles, want.Profiles)
		}
		if got.MemoryBytes != want.MemoryBytes || got.SMs != want.SMs || got.MIG != want.MIG {
			t.Errorf("%s is %d bytes, %d SMs, MIG %+v; the table says %d, %d, %+v",
				file, got.MemoryBytes, got.SMs, got.MIG, want.MemoryBytes, want.SMs, want.MIG)
		}
	}
}

// splits lists every list of sizes whose sum is at most most.
func splits(sizes []int, most int) [][]int {
	var out [][]int
	for _, size := range sizes {
		if size > most {
			continue
		}
		out = append(out, []int{size})
		for _, rest := range splits(sizes, most-size) {
			out = append(out, append([]int{size}, rest...))
		}
	}
	return out
}

// cuttable reports, by trying every place, whether compute instances of these sizes
// stand beside each other in this order.
func cuttable(p nvml.Profile, split []int, from int) bool {
	if len(split) == 0 {
		return true
	}
	for _, c := range p.Compute {
		for _, at := range c.Placements {
			if c.Slices == split[0] && at.Start >= from && cuttable(p, split[1:], at.Start+at.Size) {
				return true
			}
		}
	}
	return false
}

// TestEverySplit cuts one instance of every profile of every card in every order of
// sizes: what has places is applied and read back, what has none is refused with what
// would fit.
func TestEverySplit(t *testing.T) {
	t.Parallel()
	names, err := nvml.CardNames()
	if err != nil || len(names) < 10 {
		t.Fatalf("cards %q, %v", names, err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, name)
			before := r.inspect("0")
			profiles, err := r.fake.Profiles(before.GPUs[0].UUID)
			if err != nil {
				t.Fatal(err)
			}
			var possible, impossible int
			for _, p := range profiles {
				var sizes []int
				for _, c := range p.Compute {
					sizes = append(sizes, c.Slices)
				}
				if len(sizes) == 0 || !slices.Contains(sizes, p.Slices) {
					t.Fatalf("%s has no compute instance that takes all of it: %v", p.Name, sizes)
				}
				// 3c and 5c too, which some cards do not have, and one slice too many.
				for _, split := range splits(slices.Compact(slices.Sorted(slices.Values(append(sizes, 3, 5)))), p.Slices+1) {
					var words []string
					for _, size := range split {
						words = append(words, fmt.Sprintf("%dc", size))
					}
					text := p.Name + "/" + strings.Join(words, ",")
					if !cuttable(p, split, 0) {
						impossible++
						checkImpossible(t, before, text)
						continue
					}
					possible++
					r.cutAndBack(plan(t, before, text), split)
				}
			}
			t.Logf("%s: %d splits possible, planned, applied and read back; %d impossible, refused", name, possible, impossible)
			if possible == 0 || impossible == 0 {
				t.Error("that is nothing")
			}
		})
	}
}

// cutAndBack applies a plan with one instance cut up, wants its compute instances, and
// restores.
func (r *rig) cutAndBack(p partition.Plan, split []int) {
	r.t.Helper()
	devices, err := r.Apply(r.t.Context(), p)
	if err != nil {
		r.t.Fatalf("Apply %q: %v", p.Layout, err)
	}
	var got []int
	for _, d := range devices {
		got = append(got, d.Instance.ComputeSize)
	}
	if !slices.Equal(got, split) {
		r.t.Fatalf("Apply %q gave compute instances of %v slices", p.Layout, got)
	}
	if err := r.Restore(r.t.Context(), p.Before); err != nil {
		r.t.Fatalf("Restore after %q: %v", p.Layout, err)
	}
}
