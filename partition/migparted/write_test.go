package migparted

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/partition"
)

// a100 is a server of two A100 40GB and an RTX PRO 6000, with the places of the
// NVIDIA MIG User Guide.
func a100() partition.State {
	places := func(size int, starts ...int) []partition.Placement {
		var list []partition.Placement
		for _, s := range starts {
			list = append(list, partition.Placement{Start: s, Size: size})
		}
		return list
	}
	cut := func(slices int, p []partition.Placement) partition.ComputeProfile {
		return partition.ComputeProfile{Slices: slices, Placements: p}
	}
	ampere := []partition.Profile{
		{ID: 19, Name: "1g.5gb", Slices: 1, Placements: places(1, 0, 1, 2, 3, 4, 5, 6), Compute: []partition.ComputeProfile{cut(1, places(1, 0))}},
		{ID: 20, Name: "1g.5gb+me", Slices: 1, Placements: places(1, 0, 1, 2, 3, 4, 5, 6), Attributes: []string{"me"}, Compute: []partition.ComputeProfile{cut(1, places(1, 0))}},
		{ID: 14, Name: "2g.10gb", Slices: 2, Placements: places(2, 0, 2, 4), Compute: []partition.ComputeProfile{cut(1, places(1, 0, 1)), cut(2, places(2, 0))}},
		{ID: 9, Name: "3g.20gb", Slices: 3, Placements: places(4, 0, 4), Compute: []partition.ComputeProfile{cut(1, places(1, 0, 1, 2)), cut(2, places(2, 0)), cut(3, places(3, 0))}},
		{ID: 5, Name: "4g.20gb", Slices: 4, Placements: places(4, 0), Compute: []partition.ComputeProfile{cut(1, places(1, 0, 1, 2, 3)), cut(2, places(2, 0, 2)), cut(4, places(4, 0))}},
	}
	blackwell := []partition.Profile{
		{ID: 14, Name: "1g.24gb", Slices: 1, Placements: places(3, 0, 3, 6, 9), Compute: []partition.ComputeProfile{cut(1, places(1, 0))}},
		{ID: 67, Name: "1g.24gb-me", Slices: 1, Placements: places(3, 0, 3, 6, 9), Attributes: []string{"-me"}, Compute: []partition.ComputeProfile{cut(1, places(1, 0))}},
		{ID: 64, Name: "2g.48gb+me.all", Slices: 2, Placements: places(6, 0, 6), Attributes: []string{"me.all"}, Compute: []partition.ComputeProfile{cut(1, places(1, 0, 1)), cut(2, places(2, 0))}},
	}
	gpu := func(i int, name string, id uint32, p []partition.Profile) partition.GPU {
		return partition.GPU{Index: i, UUID: "GPU-" + name + string(rune('0'+i)), Name: name, PCIDevice: id, MIG: partition.Mode{Supported: true}, Profiles: p}
	}
	return partition.State{GPUs: []partition.GPU{
		gpu(0, "A100", 0x20B010DE, ampere), gpu(1, "A100", 0x20B010DE, ampere), gpu(2, "RTX", 0x2BB510DE, blackwell),
	}}
}

func parse(t testing.TB, text string) partition.Layout {
	t.Helper()
	l, err := partition.ParseLayout(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func gpusOf(s partition.State) []GPU {
	var list []GPU
	for _, g := range s.GPUs {
		list = append(list, GPU{g.Index, g.PCIDevice})
	}
	return list
}

func TestWrite(t *testing.T) {
	s := a100()
	s.GPUs[2].PCIDevice = 0 // unknown: no filter
	s.GPUs[0].Processes = []partition.Process{{PID: 7, Device: s.GPUs[0].UUID}}
	s.GPUs[0].MIG.Pending = true // neither is in the way of a file
	l := parse(t, "gpu0: 4g.20gb(mps)+2g.10gb/2x1c+1g.5gb; gpu1: off(mps:50); gpu2: all-1g.24gb(ts)")
	data, warnings, err := Write("shells", s, l)
	if err != nil {
		t.Fatal(err)
	}
	const want = `version: v1
mig-configs:
  "shells":
    - device-filter: ["0x20B010DE"]
      devices: [0]
      mig-enabled: true
      mig-devices:
        "4g.20gb": 1
        "1c.2g.10gb": 2
        "1g.5gb": 1
    - device-filter: ["0x20B010DE"]
      devices: [1]
      mig-enabled: false
    - devices: [2]
      mig-enabled: true
      mig-devices:
        "1g.24gb": 4
`
	if string(data) != want {
		t.Errorf("got\n%swant\n%s", data, want)
	}
	wantWarnings := []string{
		"places cannot be said in mig-parted's file, the driver chooses them; the layout has gpu0: 4g.20gb at 0:4, 2g.10gb at 4:2, 1g.5gb at 6:1; gpu2: 1g.24gb at 0:3, 1g.24gb at 3:3, 1g.24gb at 6:3, 1g.24gb at 9:3",
		"sharing cannot be said in mig-parted's file; start the daemons and set the time slices in another way: gpu0/4g.20gb@0 (mps), gpu1 (mps:50)",
	}
	if !slices.Equal(warnings, wantWarnings) {
		t.Errorf("warnings: got\n%s\nwant\n%s", strings.Join(warnings, "\n"), strings.Join(wantWarnings, "\n"))
	}
}

// TestWriteCuts: one compute instance in each of two instances is counted as two
// of one profile, which mig-parted would put into one.
func TestWriteCuts(t *testing.T) {
	s := a100()
	s.GPUs = s.GPUs[:1]
	for _, c := range []struct {
		layout string
		warns  bool
	}{
		{"2x3g.20gb/1c", true}, {"2x3g.20gb/2c,1c", false}, {"3g.20gb/2c+3g.20gb/1c", true},
		{"2x2g.10gb/2x1c", false}, {"3g.20gb+3g.20gb/1c", false},
	} {
		data, warnings, err := Write("x", s, parse(t, c.layout))
		if err != nil {
			t.Fatal(err)
		}
		warned := slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, "which compute instances lie together") })
		if warned != c.warns {
			t.Errorf("%s: warned %t, want %t: %q\n%s", c.layout, warned, c.warns, warnings, data)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, c := range []struct{ name, layout, want string }{
		{"a b", "off", "configuration name"},
		{"", "off", "configuration name"},
		{"x-", "off", "configuration name"},
		{"x", "8x1g.5gb", "would fit"},
	} {
		if _, _, err := Write(c.name, a100(), parse(t, c.layout)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, %s: got %v, want %q", c.name, c.layout, err, c.want)
		}
	}
}

// TestRoundTrip: a layout that is written and read is the same layout, up to
// what Write warns of: sharing, places and how compute instances are packed.
func TestRoundTrip(t *testing.T) {
	s := a100()
	trips := 0
	rapid.Check(t, func(t *rapid.T) {
		l := anyLayout(t, s)
		p, err := partition.MakePlan(s, l)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		data, warnings, err := Write("x", s, l)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		f, err := Read("x.yaml", data)
		if err != nil {
			t.Fatalf("%s: %v\n%s", l, err, data)
		}
		back, err := f.Layout("x", gpusOf(s))
		if err != nil {
			t.Fatalf("%s: %v\n%s", l, err, data)
		}
		q, err := partition.MakePlan(s, back)
		if err != nil {
			t.Fatalf("%s comes back as %s, which the cards cannot take: %v", l, back, err)
		}
		packed := !slices.ContainsFunc(warnings, func(w string) bool { return strings.HasPrefix(w, "which compute instances") })
		for i := range p.Targets {
			if got, want := essence(q.Targets[i], packed), essence(p.Targets[i], packed); !slices.Equal(got, want) {
				t.Fatalf("%s comes back as %s:\ngot  %v\nwant %v\n%s", l, back, got, want, data)
			}
		}
		trips++
	})
	t.Logf("%d layouts written and read back", trips)
}

// essence lists what mig-parted's file holds of a target: with cuts, by
// instance; else every compute instance by itself.
func essence(t partition.Target, packed bool) []string {
	list := []string{"off"}
	if t.MIG {
		list = nil
	}
	for _, slot := range t.Slots {
		var cuts []string
		for _, c := range slot.Compute {
			cuts = append(cuts, string(rune('0'+c.Size)))
		}
		slices.Sort(cuts)
		if packed {
			list = append(list, slot.Profile.Name+"/"+strings.Join(cuts, ","))
			continue
		}
		for _, c := range cuts {
			list = append(list, slot.Profile.Name+"/"+c)
		}
	}
	slices.Sort(list)
	return list
}

// anyLayout draws a layout that the cards can take.
func anyLayout(t *rapid.T, s partition.State) partition.Layout {
	sharings := []device.Sharing{{}, {Mode: device.MPS}, {Mode: device.MPS, ThreadPercent: 40}}
	splits := [][]int{nil, nil, nil, {1}, {1, 1}, {2}, {2, 1}, {1, 1, 1}, {2, 2}}
	var l partition.Layout
	for _, g := range s.GPUs {
		e := partition.GPULayout{Index: g.Index}
		n := rapid.IntRange(0, 3).Draw(t, "terms")
		if n == 0 {
			e.Terms = []partition.Term{{Count: 1, Sharing: rapid.SampledFrom(sharings).Draw(t, "sharing")}}
		}
		for range n {
			with := append(slices.Clone(e.Terms), partition.Term{
				Profile: rapid.SampledFrom(g.Profiles).Draw(t, "profile").Name,
				Count:   rapid.IntRange(1, 2).Draw(t, "count"),
				Split:   rapid.SampledFrom(splits).Draw(t, "split"),
				Sharing: rapid.SampledFrom(sharings).Draw(t, "sharing"),
			})
			one := partition.Layout{GPUs: []partition.GPULayout{{Index: g.Index, Terms: with}}}
			if _, err := partition.MakePlan(partition.State{GPUs: []partition.GPU{g}}, one); err == nil {
				e.Terms = with
			}
		}
		if e.Terms == nil {
			e.Terms = []partition.Term{{Count: 1}}
		}
		l.GPUs = append(l.GPUs, e)
	}
	return l
}
