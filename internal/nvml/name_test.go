package nvml

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestProfileName: the names that the cards of the table told when they were
// recorded come out of slices, memory and attributes.
func TestProfileName(t *testing.T) {
	checked := 0
	for _, name := range cardNames(t) {
		card, profiles, err := TableCard(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range profiles {
			// Drivers tell less than the nominal memory of a card: 143771 MiB of an
			// H200 with 141 GiB, 183359 of a B200 with 180, about 0.5 %.
			for _, part := range []float64{1, 0.9975, 0.9949} {
				total := uint64(float64(card.Memory.TotalBytes) * part)
				if total < p.MemoryBytes {
					continue
				}
				if got := profileName("", p.Slices, p.MemoryBytes, total, p.Attributes); got != p.Name {
					t.Errorf("%s with %d B of %d: %s, want %s", name, p.MemoryBytes, total, got, p.Name)
				}
				checked++
			}
		}
	}
	if checked < 150 {
		t.Errorf("%d names were checked", checked)
	}
	if got := profileName("", 1, 11<<30, 80<<30, nil); got != "1g.20gb" { // 1.1 eighths are two
		t.Errorf("11 of 80 GiB: %s, want 1g.20gb", got)
	}
	for _, tt := range []struct{ told, want string }{
		{"MIG 1g.24gb+me.all", "1g.24gb+me.all"}, {"1g.24gb-me", "1g.24gb-me"}, {"2g.48gb", "2g.48gb"},
		{"NVIDIA H100", "3g.40gb+gfx"}, {"1g.24GB", "3g.40gb+gfx"}, {"", "3g.40gb+gfx"},
	} {
		if got := profileName(tt.told, 3, 39<<30, 80<<30, []string{"gfx"}); got != tt.want {
			t.Errorf("told %q: %s, want %s", tt.told, got, tt.want)
		}
	}
}

// TestAttributes: the numbers of nvml.h, NVML_GPU_INSTANCE_PROFILE_1_SLICE = 0 to
// 3_SLICE_GFX = 17.
func TestAttributes(t *testing.T) {
	want := []string{"", "", "", "", "", "", "", "me", "me", "", "gfx", "gfx", "gfx", "-me", "-me", "me.all", "me.all", "gfx"}
	for n, w := range want {
		if got := fmt.Sprint(profileAttributes(n)); got != "["+w+"]" {
			t.Errorf("number %d: %s, want [%s]", n, got, w)
		}
	}
}

func TestTableCard(t *testing.T) {
	d, profiles, err := TableCard(pro6000)
	if err != nil || d.UUID != "" || d.Minor != -1 || d.SMs != 188 || !d.MIG.Supported || d.MIG.Resets || d.PCIDevice != 0x2BB510DE {
		t.Errorf("TableCard() = %+v, %v", d, err)
	}
	k := slices.IndexFunc(profiles, func(p Profile) bool { return p.Name == "4g.96gb+gfx" })
	if k < 0 || !slices.Equal(profiles[k].Attributes, []string{"gfx"}) || len(profiles[k].Compute) != 3 {
		t.Fatalf("profiles %+v lack 4g.96gb+gfx with gfx and three kinds of compute instances", profiles)
	}
	// 188 SMs are not 4 times the 46 of a 1g: what a cut has is unknown.
	if c := profiles[k].Compute; c[0].SMs != 0 || c[2].SMs != 188 || len(c[0].Placements) != 4 || len(c[1].Placements) != 2 {
		t.Errorf("4g.96gb is cut into %+v", c)
	}
	if d, _, err := TableCard("NVIDIA A100 40GB"); err != nil || !d.MIG.Resets || d.ComputeCapability != "8.0" {
		t.Errorf("TableCard(A100) = %+v, %v", d, err)
	}
	if d, p, err := TableCard("NVIDIA RTX PRO 5000 Blackwell 48GB"); err != nil || d.Assumed == "" || d.PCIDevice != 0 || !p[0].Assumed {
		t.Errorf("TableCard of an assumed card = %+v, %v", d, err)
	}
	for _, name := range append(notPublic, "Voodoo 2") {
		if _, p, err := TableCard(name); err == nil || p != nil {
			t.Errorf("TableCard(%s) = %v, %v; want an error", name, p, err)
		}
	}
}

// The names that NVML gives are those of the table's cards, and what is nearly one is
// told.
func TestTableCardByNVMLName(t *testing.T) {
	for name, want := range map[string]struct {
		card string
		pci  uint32
	}{
		"NVIDIA A100-SXM4-40GB": {"NVIDIA A100 40GB", 0x20B010DE},
		"NVIDIA A100-PCIE-40GB": {"NVIDIA A100 40GB", 0x20F110DE},
		"NVIDIA A100-SXM4-80GB": {"NVIDIA A100 80GB", 0x20B210DE},
		"NVIDIA A100 80GB PCIe": {"NVIDIA A100 80GB", 0x20B510DE},
		"NVIDIA H100 80GB HBM3": {"NVIDIA H100 80GB SXM5", 0x233010DE},
		"NVIDIA H200":           {"NVIDIA H200 141GB", 0x233510DE},
		"NVIDIA B200":           {"NVIDIA B200 180GB", 0x290110DE},
		"NVIDIA A30":            {"NVIDIA A30", 0x20B710DE},
	} {
		if d, profiles, err := TableCard(name); err != nil || d.Name != want.card || d.PCIDevice != want.pci || len(profiles) == 0 {
			t.Errorf("TableCard(%q) = %s with PCI device %#x and %d profiles, %v; want %+v", name, d.Name, d.PCIDevice, len(profiles), err, want)
		}
	}
	for name, want := range map[string]string{
		"NVIDIA A100-SMX4-40GB": `did you mean "NVIDIA A100-SXM4-40GB"?`,
		"a30":                   `did you mean "NVIDIA A30"?`,
		"H100":                  `did you mean "NVIDIA H100 80GB SXM5"?`,
		"NVIDIA Nope":           "not in the table; known: ",
		"":                      "not in the table; known: ",
	} {
		if _, _, err := TableCard(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("TableCard(%q): %v, want %s", name, err, want)
		}
	}
}
