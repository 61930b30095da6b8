package partition

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/plans anew")

// TestGoldenPlans: the plans of servers that were written about. The first two
// are those of "EVA GPU MIG/MPS Optimization Guide", with MIG and MPS on and off,
// from a server as delivered and from one that has both on; the third is the A100
// of "NVIDIA GPU Sharing", Shells 4 to 6, where MIG is on already.
func TestGoldenPlans(t *testing.T) {
	services := []string{"off(ts)", "off(mps)", "all-1g.24gb(ts)", "all-1g.24gb(mps)"}
	enabled := card(t, "a100-40gb", 0)
	enabled.MIG.Current, enabled.MIG.Pending = true, true
	for _, tt := range []struct {
		name    string
		gpus    []GPU
		from    []string // layouts that stand before; empty: as the GPUs are
		layouts []string
	}{
		{"pro5000x3", []GPU{card(t, "rtx-pro-5000-48gb", 0), card(t, "rtx-pro-5000-48gb", 1), card(t, "rtx-pro-5000-48gb", 2)}, []string{"", "all-1g.24gb(mps)"}, services},
		{"pro6000x1", []GPU{card(t, "rtx-pro-6000-96gb", 0)}, []string{"", "all-1g.24gb(mps)"}, services},
		{"a100-shells", []GPU{enabled}, []string{"", "7x1g.5gb"}, []string{"4g.20gb+2g.10gb/2x1c+1g.5gb"}},
		{"a100-off", []GPU{card(t, "a100-40gb", 0)}, []string{""}, []string{"4g.20gb+2g.10gb/2x1c+1g.5gb", "3g.20gb/2c,1c(mps:50)+3g.20gb(mps:25:4G)", "off(ts:long)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var text strings.Builder
			for _, from := range tt.from {
				for _, layout := range tt.layouts {
					w := &world{gpus: append([]GPU(nil), tt.gpus...)}
					if from != "" {
						apply(t, w, from)
					}
					tellPlan(t, &text, w, from, layout)
				}
			}
			path := filepath.Join("testdata", "plans", tt.name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := text.String(); got != string(want) {
				t.Errorf("%s is not as go test -update would write it; got:\n%s", path, got)
			}
		})
	}
}

// apply makes a layout of a world.
func apply(t *testing.T, w *world, layout string) Plan {
	t.Helper()
	p, err := MakePlan(w.state(), mustParse(t, layout))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Changes {
		if err := w.do(s); err != nil {
			t.Fatalf("%q: %s: %v", layout, s, err)
		}
	}
	return p
}

// tellPlan writes the plan, what it needs, the devices that it makes and what
// would be put back.
func tellPlan(t *testing.T, text *strings.Builder, w *world, from, layout string) {
	t.Helper()
	if from == "" {
		from = "as found"
	}
	fmt.Fprintf(text, "== from %s to %s\n", from, layout)
	before := w.state()
	p := apply(t, w, layout)
	for i, s := range p.Steps() {
		fmt.Fprintf(text, "%2d %s\n", i+1, s)
	}
	fmt.Fprintf(text, "needs %v\n", p.Needs())
	for _, g := range w.gpus {
		if !g.MIG.Current {
			fmt.Fprintf(text, "device gpu%d\n", g.Index)
		}
		for _, i := range g.Instances {
			for _, c := range i.Compute {
				fmt.Fprintf(text, "device gpu%d %s at %s, compute instance at %s\n", g.Index, i.Profile, i.Placement, c.Placement)
			}
		}
	}
	for _, u := range p.Undo() {
		fmt.Fprintf(text, "undo %s\n", u)
	}
	if len(before.GPUs) != len(p.Targets) {
		t.Errorf("%d targets for %d GPUs", len(p.Targets), len(before.GPUs))
	}
	fmt.Fprintln(text)
}
