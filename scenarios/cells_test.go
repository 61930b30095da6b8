package scenarios

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
	"pgregory.net/rapid"
)

// drawn gives a scenario whose matrix is as Read would leave it: no value
// twice, excluded points in the product, included ones outside of it.
func drawn(t *rapid.T) *Scenario {
	dimension := func(name string, pool ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 1, len(pool), rapid.ID).Draw(t, name)
	}
	long := strings.Repeat("1g.24gb(mps)+", 6) + "off"
	s := &Scenario{
		Services: []Service{{Name: "eyes", Models: []Model{{Name: "rt", Workers: 2}, {Name: "owl", Workers: 1}}}, {Name: "mind", Models: []Model{{Name: "qwen", Workers: 1}}}},
		Seed:     rapid.Uint64().Draw(t, "seed"), Replicates: rapid.IntRange(1, 4).Draw(t, "replicates"),
		Matrix: Matrix{
			Layouts:    dimension("layouts", "off", "4x1g.24gb", "4x1g-24gb", "4X1G-24GB", long, long+"+1g.24gb"),
			Sharings:   dimension("sharings", "ts", "mps", "mps:50"),
			Placements: dimension("placements", "auto", "a@0;b@1", "a@0,b@1"),
			Routings:   dimension("routings", "round-robin", "sticky"),
			Workers:    []map[string]int{{}, {"owl": 4}}[:rapid.IntRange(1, 2).Draw(t, "workers")],
		},
	}
	if rapid.Bool().Draw(t, "varies") {
		s.Matrix.Params = []Param{{"mind.max", dimension("max", "16", "32", "a b", "a/b")}}
	}
	if rapid.Bool().Draw(t, "excludes") {
		s.Matrix.Exclude = []Point{{Layout: s.Matrix.Layouts[0], Sharing: s.Matrix.Sharings[0]}}
	}
	if rapid.Bool().Draw(t, "includes") {
		s.Matrix.Include = []Point{{Layout: "7x1g.12gb"}, {Layout: s.Matrix.Layouts[0], Workers: map[string]int{"owl": 9}}}
	}
	return s
}

// count gives how many points the matrix has, by arithmetic: the product, less
// the excluded share, plus the included.
func count(s *Scenario) int {
	m := s.Matrix
	rest := len(m.Placements) * len(m.Routings) * len(m.Workers)
	if len(m.Params) > 0 {
		rest *= len(m.Params[0].Values)
	}
	return len(m.Layouts)*len(m.Sharings)*rest - len(m.Exclude)*rest + len(m.Include)
}

var safe = regexp.MustCompile(`^[a-z0-9_+=][a-z0-9._+=-]*$`)

func TestCells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t)
		bad := s.Matrix.Sharings[len(s.Matrix.Sharings)-1]
		cells, impossible := s.Cells(func(c results.Config) error {
			if c.Sharing == bad && c.Workers["owl"] == 4 {
				return errors.New("no room")
			}
			return nil
		})

		// Every point is there once in each replicate, or listed as impossible.
		seen := map[string]int{}
		for _, c := range cells {
			seen[identity(c.Config)]++
		}
		for id, n := range seen {
			if n != s.Replicates {
				t.Fatalf("%s is run %d times, want %d", id, n, s.Replicates)
			}
		}
		for _, i := range impossible {
			if seen[identity(i.Config)] > 0 || i.Reason != "no room" {
				t.Fatalf("impossible %+v is run %d times", i, seen[identity(i.Config)])
			}
		}
		if got, want := len(seen)+len(impossible), count(s); got != want {
			t.Fatalf("%d points, want %d", got, want)
		}

		checkNames(t, cells)
		checkOrder(t, s, cells)
		again, _ := s.Cells(nil)
		more, _ := s.Cells(nil)
		if !reflect.DeepEqual(again, more) {
			t.Fatal("two calls give different cells")
		}
	})
}

func checkNames(t *rapid.T, cells []Cell) {
	names := map[string]string{}
	for i, c := range cells {
		n := c.Config.Name
		if len(n) > maxName || !safe.MatchString(n) {
			t.Fatalf("name %q is not fit for a folder", n)
		}
		if id, ok := names[n]; ok && id != identity(c.Config) {
			t.Fatalf("name %q stands for %s and %s", n, id, identity(c.Config))
		}
		names[n] = identity(c.Config)
		if want := fmt.Sprintf("%03d-%s-r%d", i, n, c.Replicate); c.Folder != want || c.Index != i {
			t.Fatalf("cell %d: got %d, %s, want %s", i, c.Index, c.Folder, want)
		}
	}
}

// checkOrder: replicates outermost; within one a layout is set up once; every
// second replicate is the first one in reverse; seeds are those of replicates.
func checkOrder(t *rapid.T, s *Scenario, cells []Cell) {
	each := len(cells) / s.Replicates
	seeds := map[uint64]int{}
	for r := range s.Replicates {
		part := cells[r*each : (r+1)*each]
		var layouts []string
		for i, c := range part {
			if c.Replicate != r+1 {
				t.Fatalf("cell %d is of replicate %d, want %d", c.Index, c.Replicate, r+1)
			}
			if first, ok := seeds[c.Seed]; ok && first != r {
				t.Fatalf("replicates %d and %d have one seed", first+1, r+1)
			}
			seeds[c.Seed] = r
			if len(layouts) == 0 || layouts[len(layouts)-1] != c.Config.Layout {
				if slices.Contains(layouts, c.Config.Layout) {
					t.Fatalf("replicate %d comes back to layout %s", r+1, c.Config.Layout)
				}
				layouts = append(layouts, c.Config.Layout)
			}
			other := cells[i]
			if r%2 == 1 {
				other = cells[each-1-i]
			}
			if !reflect.DeepEqual(c.Config, other.Config) {
				t.Fatalf("replicate %d is out of order at %d", r+1, i)
			}
		}
		if r == 0 {
			at := -1
			for _, l := range layouts {
				if i := slices.Index(s.Matrix.Layouts, l); i >= 0 {
					if i < at {
						t.Fatalf("layouts run as %v, listed as %v", layouts, s.Matrix.Layouts)
					}
					at = i
				}
			}
		}
	}
	if each > 0 && len(seeds) != s.Replicates {
		t.Fatalf("%d seeds for %d replicates", len(seeds), s.Replicates)
	}
}

func TestCellNames(t *testing.T) {
	s, err := Read("f.yaml", []byte(small), checks())
	if err != nil {
		t.Fatal(err)
	}
	s.Server.GPUs = []string{"0"} // else the server is as found
	cells, _ := s.Cells(nil)
	// 2 layouts x 2 sharings x 2 workers x 2 params; placement and routing do not vary.
	if len(cells) != 16 {
		t.Fatalf("got %d cells, want 16", len(cells))
	}
	for i, want := range map[int]string{
		0:  "000-off-ts-owl-1-mind.max-16-r1",
		1:  "001-off-ts-owl-1-mind.max-32-r1",
		4:  "004-off-mps-owl-1-mind.max-16-r1",
		15: "015-4x1g.24gb-mps-owl-4-mind.max-32-r1",
	} {
		if got := cells[i].Folder; got != want {
			t.Errorf("cell %d: got %s, want %s", i, got, want)
		}
	}
	if got, want := cells[15].Config.Workers, map[string]int{"rt": 2, "owl": 4, "qwen": 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("workers: got %v, want %v", got, want)
	}
}

// TestReadPoints reads exclude and include from a file.
func TestReadPoints(t *testing.T) {
	s, err := Read("f.yaml", []byte(change(t, "  sharing:", `  exclude: [{layout: 1xoff, sharing: mps}, {workers: {owl: 4}, params: {mind.max: 16}}]
  include: [{layout: 1x7g, params: {mind.max: 64}}]
  sharing:`)), checks())
	if err != nil {
		t.Fatal(err)
	}
	configs := s.Configs()
	// 16 points, less 4 of off x mps, less 1 of each of the other three groups, plus 1.
	if len(configs) != 16-4-3+1 {
		t.Errorf("got %d points, want 10", len(configs))
	}
	for _, c := range configs {
		if c.Layout == "off" && c.Sharing == "mps" || c.Workers["owl"] == 4 && c.Params["mind.max"] == "16" {
			t.Errorf("an excluded point is there: %+v", c)
		}
	}
	last := configs[len(configs)-1]
	want := results.Config{Name: last.Name, Layout: "7g", Sharing: "ts", Placement: "auto", Routing: "round-robin",
		Workers: map[string]int{"rt": 2, "owl": 1, "qwen": 1}, Params: map[string]string{"mind.max": "64"}}
	if !reflect.DeepEqual(last, want) {
		t.Errorf("included: got %+v, want %+v", last, want)
	}
}
