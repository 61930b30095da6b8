package nvidia

import (
	"context"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/partition"
)

// drawLayout draws a layout that has places on the GPU, from its own profiles.
func drawLayout(t *rapid.T, g partition.GPU, label string) string {
	sharing := rapid.SampledFrom([]string{"", "(ts)", "(mps)", "(mps:30)", "(mps:30:2G)"})
	s := partition.State{GPUs: []partition.GPU{g}}
	text := "off" + rapid.SampledFrom([]string{"", "(mps)", "(mps:40)", "(ts:short)", "(ts:long)"}).Draw(t, label+" sharing")
	for range rapid.IntRange(0, 6).Draw(t, label+" terms") {
		p := rapid.SampledFrom(g.Profiles).Draw(t, label+" profile")
		term := p.Name
		if p.Slices > 1 && rapid.Bool().Draw(t, label+" cut") {
			term += "/2x1c"
		}
		term += sharing.Draw(t, label+" sharing")
		longer := term
		if text[0] != 'o' {
			longer = text + "+" + term
		}
		_, err := planOf(s, longer)
		if impossible, ok := errors.AsType[*partition.ImpossibleError](err); ok {
			if _, err := planOf(s, impossible.Fits); err != nil {
				t.Fatalf("%q was offered for %q: %v", impossible.Fits, longer, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
		text = longer
	}
	return text
}

// TestApplyRestore: from any layout to any other and back, on a card that is as strict
// as a real one, with daemons of ours found; the other card is not touched.
func TestApplyRestore(t *testing.T) {
	t.Parallel()
	rigs := map[string]*rig{}
	for _, card := range []string{pro6000, a100, a30} {
		rigs[card] = newRig(t, pro6000, card)
	}
	rapid.Check(t, func(rt *rapid.T) {
		r := rigs[rapid.SampledFrom([]string{pro6000, a100, a30}).Draw(rt, "card")]
		g := r.inspect("1").GPUs[0]
		found, wanted := drawLayout(rt, g, "found"), drawLayout(rt, g, "wanted")
		r.apply(found, "1")
		before, all := r.inspect("1"), r.all()
		p := plan(t, before, wanted)
		devices, err := r.Apply(context.Background(), p)
		if err != nil {
			rt.Fatalf("Apply %q after %q, steps %q: %v", wanted, found, p.Steps(), err)
		}
		daemons := 0
		for _, d := range devices {
			if d.Sharing.IsMPS() {
				daemons++
			}
		}
		if got := len(r.program.(*memory).daemons); got != daemons {
			rt.Fatalf("%q has %d MPS daemons, want %d", wanted, got, daemons)
		}
		if err := r.Restore(context.Background(), before); err != nil {
			rt.Fatalf("Restore from %q to %q: %v", wanted, found, err)
		}
		if now := r.all(); now != all {
			rt.Fatalf("from %q to %q restored to\n%s, was\n%s", found, wanted, now, all)
		}
	})
}
