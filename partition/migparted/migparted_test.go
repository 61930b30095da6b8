package migparted

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// published is mig-parted's own default file, unchanged; testdata/ORIGIN says
// where it is from and under which licence.
func published(t testing.TB) File {
	t.Helper()
	data, err := os.ReadFile("testdata/config-default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Read("config-default.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestPublished reads every configuration of mig-parted's default file, and all
// but three give a layout for an RTX PRO 6000, whether it can take it or not.
func TestPublished(t *testing.T) {
	f := published(t)
	if got, want := len(f.Names()), 81; got != want { // grep -cE '^  all-' of the file
		t.Fatalf("the file has %d configurations, want %d", got, want)
	}
	var failed []string
	for _, name := range f.Names() {
		l, err := f.Layout(name, []GPU{{0, 0x2BB510DE}, {1, 0x2BB510DE}})
		if err != nil {
			failed = append(failed, name)
			continue
		}
		if back, err := partition.ParseLayout(l.String()); err != nil || back.String() != l.String() {
			t.Errorf("%s: the layout %q reads back as %q, %v", name, l, back, err)
		}
	}
	// all-enabled has no instances; the others filter this card out.
	if want := []string{"all-enabled", "all-1g.10gb", "all-1g.35gb"}; !slices.Equal(failed, want) {
		t.Errorf("no layout from %v, want none from %v alone", failed, want)
	}
}

// TestFilters reads what the default file says for several cards under one name.
func TestFilters(t *testing.T) {
	f := published(t)
	for _, c := range []struct {
		config string
		id     uint32
		want   string
	}{
		{"all-1g.10gb", 0x20B010DE, "4x1g.10gb"},
		{"all-1g.10gb", 0x20B510DE, "7x1g.10gb"},
		{"all-balanced", 0x2BB510DE, "2g.48gb+2x1g.24gb"},
		{"all-balanced", 0x20B710DE, "2g.12gb+2x1g.6gb"},
		{"all-balanced", 0x233510DE, "3g.71gb+2g.35gb+2x1g.18gb"},
		{"all-1g.24gb.me.all", 0x2BB510DE, "1g.24gb+me.all"},
		{"all-disabled", 0x2BB510DE, "off"},
	} {
		l, err := f.Layout(c.config, []GPU{{3, c.id}})
		if err != nil || l.String() != c.want {
			t.Errorf("%s for %#X: got %q, %v; want %q", c.config, c.id, l, err, c.want)
		}
	}
}

// TestLayout covers what the default file does not hold.
func TestLayout(t *testing.T) {
	const text = `version: v1
mig-configs:
  custom:
    - devices: [0, 2]
      mig-enabled: false
    - device-filter: "0x20B510DE"
      devices: [1]
      mig-enabled: true
      mig-devices: {1c.3g.40gb: 1, "2c.3g.40gb": 1, 4g.40gb: 1, 1g.10gb: 0}
  twice:
    - {devices: all, mig-enabled: false}
    - {devices: [1], mig-enabled: false}
  bare:
    - {devices: all, mig-enabled: true, mig-devices: {}}
  board:
    - {device-filter: ["0x20B510DE:0x153310DE"], devices: all, mig-enabled: false}
`
	f, err := Read("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	gpus := func(ids ...uint32) []GPU {
		var list []GPU
		for i, id := range ids {
			list = append(list, GPU{i, id})
		}
		return list
	}
	const a100 = 0x20B510DE
	for _, c := range []struct {
		config string
		gpus   []GPU
		want   string // the layout, or words of the error
	}{
		{"custom", gpus(a100, a100, a100), "gpu0: off; gpu1: 4g.40gb+3g.40gb/2c,1c; gpu2: off"},
		{"custom", gpus(0), "off"},
		{"custom", gpus(0, 0), "the PCI device id of GPU 1 is not known"},
		{"custom", gpus(a100, 0x20B010DE, a100, a100), "says nothing of GPUs 1, 3"},
		{"twice", gpus(a100), "off"},
		{"twice", gpus(a100, a100), "the entries at lines 11 and 12 are both for GPU 1"},
		{"bare", gpus(a100), "turns MIG on without instances"},
		{"board", gpus(a100), "the subsystem id of GPU 0 is not known"},
		{"board", gpus(0x20B010DE), "says nothing of GPUs 0"},
		{"none", gpus(a100), `no configuration "none"; it has custom, twice, bare, board`},
		{"twice", nil, "no GPU"},
	} {
		l, err := f.Layout(c.config, c.gpus)
		if err != nil && strings.Contains(err.Error(), c.want) || err == nil && l.String() == c.want {
			continue
		}
		t.Errorf("%s for %v: got %q, %v; want %q", c.config, c.gpus, l, err, c.want)
	}
	_, err = f.Layout("custom", gpus(a100, 0x20B010DE))
	if e, ok := errors.AsType[*UncoveredError](err); !ok || !slices.Equal(e.GPUs, []int{1}) {
		t.Errorf("got %#v, want an UncoveredError of GPU 1", err)
	}
}

// TestPacked packs compute instances as the driver can place them: two slices
// at even places, three at 0 and 4.
func TestPacked(t *testing.T) {
	for _, c := range []struct {
		room int
		cuts []int
		want string
	}{
		{2, []int{1, 1}, "2g.5gb/2x1c"},
		{2, []int{1, 1, 1}, "2g.5gb/2x1c+2g.5gb/1c"},
		{3, []int{2, 2, 1, 1}, "2x3g.5gb/2c,1c"},
		{7, []int{3, 3, 1}, "7g.5gb/3c,1c,3c"},
		{7, []int{3, 2, 2}, "7g.5gb/2x2c,3c"},
		{7, []int{2, 2, 2, 1}, "7g.5gb/3x2c,1c"},
		{7, []int{4, 3, 1}, "7g.5gb/4c,3c+7g.5gb/1c"},
	} {
		terms := packed(fmt.Sprintf("%dg.5gb", c.room), c.room, c.cuts)
		l := partition.Layout{GPUs: []partition.GPULayout{{Index: partition.AllGPUs, Terms: terms}}}
		if l.String() != c.want {
			t.Errorf("%v in %d slices: got %q, want %q", c.cuts, c.room, l, c.want)
		}
	}
}

// TestFaults has one fault a file, with its place.
func TestFaults(t *testing.T) {
	const head = "version: v1\nmig-configs:\n  a:\n"
	for _, c := range []struct{ text, want string }{
		{"", "f:1:1: the file is empty"},
		{"mig-configs: {a: [{devices: all, mig-enabled: false}]}\n", "version is missing"},
		{"version: v1\n", "mig-configs is missing"},
		{"version: v2\nmig-configs: {a: [{devices: all, mig-enabled: false}]}\n", `f:1:10: the version is v1, not "v2"`},
		{"version: v1\nmig-configs: {}\n", "f:2:14: mig-configs names no configuration"},
		{"version: v1\nmig-configs: {a: []}\n", `f:2:18: the configuration "a" is a list of entries, not a list`},
		{"version: v1\nmig-config: {}\n", `f:2:1: "mig-config" is not known here`},
		{"version: v1\nversion: v1\n", `f:2:1: the key "version" stands here a second time`},
		{"version: v1\n---\nversion: v1\n", "a second YAML document begins here"},
		{"version: v1\n\tmig-configs: {}\n", "f:2:"},
		{head + "    - mig-enabled: false\n", "devices is missing"},
		{head + "    - devices: all\n", "mig-enabled is missing"},
		{head + "    - devices: some\n      mig-enabled: false\n", `f:4:16: devices is all or a list of GPU indices, not "some"`},
		{head + "    - devices: [-1]\n      mig-enabled: false\n", "f:4:17: a GPU index is 0 to 9999"},
		{head + "    - devices: [a]\n      mig-enabled: false\n", `f:4:17: a GPU index is 0 to 9999, not "a"`},
		{head + "    - devices: all\n      mig-enabled: yes\n", `f:5:20: mig-enabled is true or false, not "yes"`},
		{head + "    - devices: all\n      mig-enabled: true\n", "mig-devices is missing"},
		{head + "    - devices: all\n      mig-enabled: true\n      mig-devices:\n", "mig-devices is missing"},
		{head + "    - devices: all\n      mig-enabled: true\n      mig-devices: {1g.5gb: 0}\n", "all counts are 0"},
		{head + "    - devices: all\n      mig-enabled: true\n      mig-devices: {1g.5gb: 100}\n", "f:6:29: a count of MIG devices is 0 to 99, not 100"},
		{head + "    - devices: all\n      mig-enabled: true\n      mig-devices: {1g.5gb: 1.5}\n", "f:6:29: a count of MIG devices is 0 to 99, not 1.5"},
		{head + "    - devices: all\n      mig-enabled: true\n      mig-devices: {one: 1}\n", `f:6:21: "one" is no MIG device`},
		{head + "    - devices: all\n      mig-enabled: true\n      mig-devices: {2c.1g.5gb: 1}\n", `"2c.1g.5gb" has more compute slices`},
		{head + "    - devices: all\n      mig-enabled: true\n      mig-devices: {1c.9g.5gb: 1}\n", `no card has GPU instances of more than 8`},
		{head + "    - devices: all\n      mig-enabled: true\n      mig-devices: {1g.5gb: 1, 1c.1g.5gb: 1}\n", `f:6:32: 1g.5gb stands here a second time, as "1c.1g.5gb"`},
		{head + "    - devices: all\n      mig-enabled: false\n      mig-devices: {1g.5gb: 1}\n", "mig-devices names MIG devices, and mig-enabled is false"},
		{head + "    - devices: all\n      mig-enabled: false\n      device-filter: 0x20B510DE\n", "f:6:22: a device-filter is quoted text"},
		{head + "    - devices: all\n      mig-enabled: false\n      device-filter: [\"A100\"]\n", `f:6:23: "A100" is no PCI device id`},
		{head + "    - devices: all\n      mig-enabled: false\n      mig-strategy: mixed\n", `f:6:7: "mig-strategy" is not known here`},
		{head + "    - &x\n      devices: all\n      mig-enabled: false\n", "a YAML anchor or alias"},
		{"version: v1\n" + strings.Repeat("[", 20), "brackets are nested more than 16 deep"},
		{"version: \xff\n", "f:1:1: this line is not UTF-8 text"},
		{strings.Repeat("a: 1\n", maxColons+1), "more than 20000 keys"},
		{strings.Repeat("#", maxLine+1), "f:1:1: this line has more than 4096 bytes"},
		{strings.Repeat("#\n", maxBytes/2+1), "f:1:1: the file has 524290 bytes"},
	} {
		_, err := Read("f", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.120q: got %v, want %q", c.text, err, c.want)
		}
	}
	_, err := Read("f", []byte(head+"    - devices: some\n      mig-enabled: yes\n"))
	if n := strings.Count(fmt.Sprint(err), "f:"); n != 2 {
		t.Errorf("two faults are told as %d: %v", n, err)
	}
}

// TestPublishedPlans plans what mig-parted publishes for the cards whose profiles
// are known in full: every configuration whose devices the card can make must
// fit on it.
func TestPublishedPlans(t *testing.T) {
	f := published(t)
	names, err := nvml.CardNames()
	if err != nil {
		t.Fatal(err)
	}
	cards, total := 0, 0
	for _, name := range names {
		g, complete := tableGPU(t, name)
		if !complete {
			continue
		}
		cards++
		planned := 0
		for _, config := range f.Names() {
			l, err := f.Layout(config, []GPU{{g.Index, g.PCIDevice}})
			if err != nil || !canMake(g, l) {
				continue
			}
			if _, err := partition.MakePlan(partition.State{GPUs: []partition.GPU{g}}, l); err != nil {
				t.Errorf("%s on %s: %v", config, g.Name, err)
			}
			planned++
		}
		if planned < 5 {
			t.Errorf("only %d configurations are for %s (%#X)", planned, g.Name, g.PCIDevice)
		}
		t.Logf("%s: %d configurations planned", g.Name, planned)
		total += planned
	}
	if cards < 9 {
		t.Errorf("%d cards are known in full, want nine at least", cards)
	}
	t.Logf("%d configurations of mig-parted's file planned on %d cards", total, cards)
}

func canMake(g partition.GPU, l partition.Layout) bool {
	for _, term := range l.GPUs[0].Terms {
		if term.Profile != "" && !slices.ContainsFunc(g.Profiles, func(p partition.Profile) bool { return p.Name == term.Profile }) {
			return false
		}
	}
	return true
}

// tableGPU is a card of the table, and whether none of its profiles is invented.
func tableGPU(t testing.TB, name string) (partition.GPU, bool) {
	t.Helper()
	d, profiles, err := nvml.TableCard(name)
	if err != nil {
		t.Fatal(err)
	}
	g := partition.GPU{UUID: "GPU-0", Name: d.Name, PCIDevice: d.PCIDevice, MIG: partition.Mode{Supported: true, Resets: d.MIG.Resets}}
	for _, p := range profiles {
		to := partition.Profile{ID: p.ID, Name: p.Name, Slices: p.Slices, Attributes: p.Attributes}
		for _, at := range p.Placements {
			to.Placements = append(to.Placements, partition.Placement(at))
		}
		for _, c := range p.Compute {
			cut := partition.ComputeProfile{Slices: c.Slices}
			for _, at := range c.Placements {
				cut.Placements = append(cut.Placements, partition.Placement(at))
			}
			to.Compute = append(to.Compute, cut)
		}
		g.Profiles = append(g.Profiles, to)
	}
	return g, !slices.ContainsFunc(profiles, func(p nvml.Profile) bool { return p.Assumed })
}
