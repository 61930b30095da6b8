package nvml

import (
	_ "embed" // for profiles.json
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// profilesJSON is the table of MIG profiles. It serves simulated cards only: a
// real card is asked. Its sources stand in it.
//
//go:embed profiles.json
var profilesJSON string

// A card is one GPU model of the table.
type card struct {
	GPU        string        `json:"gpu"`
	Also       []alias       `json:"also"`
	MemoryGB   int           `json:"memory_gb"`
	SMs        int           `json:"sm_total"`
	ModeChange string        `json:"mode_change"` // "gpu-reset" or "no-reset"
	Capability string        `json:"compute_capability"`
	PCIDevice  string        `json:"pci_device"` // "0x2BB510DE"; empty if unknown
	Notes      []string      `json:"notes"`
	Profiles   []cardProfile `json:"profiles"`
}

// An alias is a product name by which NVML calls a card of the model.
type alias struct {
	Name      string `json:"name"`
	PCIDevice string `json:"pci_device"`
}

type cardProfile struct {
	Name         string   `json:"name"`
	Slices       int      `json:"compute_slices"`
	MaxInstances int      `json:"max_instances"`
	Attributes   []string `json:"attributes"`
	Unconfirmed  []string `json:"unconfirmed_fields"` // not recorded from such a card
	cardNumbers
	Assumed *cardNumbers `json:"assumed_for_simulation"`
}

// cardNumbers are the values that may be unknown, which null says.
type cardNumbers struct {
	ID         *int        `json:"profile_id"`
	MemoryGiB  *float64    `json:"memory_gib"`
	SMs        *int        `json:"sm_count"`
	Placements []Placement `json:"placements"`
}

func (n cardNumbers) complete() bool {
	return n.ID != nil && n.MemoryGiB != nil && n.SMs != nil && len(n.Placements) > 0
}

// cards reads the table, once. Nobody changes what it gives.
var cards = sync.OnceValues(func() ([]card, error) {
	var table struct {
		Cards []card `json:"cards"`
	}
	if err := json.Unmarshal([]byte(profilesJSON), &table); err != nil {
		return nil, fmt.Errorf("read the table of MIG profiles: %w", err)
	}
	return table.Cards, nil
})

// CardNames lists the GPU models that a [Fake] can be and [TableCard] knows.
func CardNames() ([]string, error) {
	all, err := cards()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range all {
		if _, err := c.profiles(); err == nil {
			names = append(names, c.GPU)
		}
	}
	return names, nil
}

// A RefusedCard is a GPU model of the table that [TableCard] refuses.
type RefusedCard struct {
	Name   string
	Reason string // one line
}

// RefusedCards lists the GPU models of the table of which too little was published.
func RefusedCards() ([]RefusedCard, error) {
	all, err := cards()
	if err != nil {
		return nil, err
	}
	var refused []RefusedCard
	for _, c := range all {
		if _, err := c.profiles(); err != nil {
			refused = append(refused, RefusedCard{c.GPU, err.Error()})
		}
	}
	return refused, nil
}

// TableCard gives a GPU model of the table, as one with MIG off would tell of
// itself, and its profiles, for plans without a GPU. Index, UUID and what else
// belongs to one piece of hardware is not set, and Minor is -1. A model whose
// profiles were not published is refused with the reason, an unknown one with
// the names that are known.
func TableCard(name string) (Device, []Profile, error) {
	c, err := findCard(name)
	if err != nil {
		return Device{}, nil, err
	}
	profiles, err := c.profiles()
	return c.device(), profiles, err
}

// device is what all GPUs of the model have in common.
func (c card) device() Device {
	id, err := strconv.ParseUint(c.PCIDevice, 0, 32)
	if err != nil {
		id = 0
	}
	return Device{
		Name: c.GPU, SMs: c.SMs, Memory: Memory{TotalBytes: uint64(c.MemoryGB) << 30},
		MIG: MIGMode{Supported: true, Resets: c.ModeChange == "gpu-reset"}, Assumed: c.assumed(),
		Minor: -1, PCIDevice: uint32(id), ComputeCapability: c.Capability,
	}
}

// findCard gives the card of a name, the table's or one that NVML has for it, and
// refuses one whose profiles are not known well enough to simulate.
func findCard(name string) (card, error) {
	all, err := cards()
	if err != nil {
		return card{}, err
	}
	var names []string
	for _, c := range all {
		if c.GPU == name {
			_, err := c.profiles()
			return c, err
		}
		names = append(names, c.GPU)
		for _, also := range c.Also {
			if also.Name == name {
				c.PCIDevice = also.PCIDevice
				_, err := c.profiles()
				return c, err
			}
			names = append(names, also.Name)
		}
	}
	known, err := CardNames()
	if err != nil {
		return card{}, err
	}
	hint := ""
	if near := nearest(name, names); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return card{}, fmt.Errorf("GPU %q: not in the table%s; known: %s", name, hint, strings.Join(known, ", "))
}

// nearest gives the name that was perhaps meant: the one that fewest changes of a
// letter lead to, at most a third of the letters; empty if none does. The maker's name
// and the case do not count, and neither does an end that is left out.
func nearest(name string, names []string) string {
	plain := func(s string) string { return strings.TrimPrefix(strings.ToLower(s), "nvidia ") }
	asked, best, least := plain(name), "", 0
	for _, candidate := range names {
		other := plain(candidate)
		n := changes(asked, other)
		if asked != "" && strings.HasPrefix(other, asked) {
			n = 0
		}
		if n <= len(asked)/3 && (best == "" || n < least) {
			best, least = candidate, n
		}
	}
	return best
}

// changes is how many letters must be added, taken away or replaced to make one text
// of another (Levenshtein).
func changes(a, b string) int {
	row := make([]int, len(b)+1)
	for k := range row {
		row[k] = k
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for k := range len(b) {
			replaced := diagonal
			if a[i] != b[k] {
				replaced++
			}
			diagonal = row[k+1]
			row[k+1] = min(replaced, row[k]+1, row[k+1]+1)
		}
	}
	return row[len(b)]
}

// known gives the profile's numbers, and whether they are invented. Not ok are
// numbers that nobody published or invented.
func (p cardProfile) known() (n cardNumbers, invented, ok bool) {
	if p.complete() {
		return p.cardNumbers, false, true
	}
	if p.Assumed != nil && p.Assumed.complete() {
		return *p.Assumed, true, true
	}
	return n, false, false
}

// profiles gives what NVML would tell of the card, but for profiles whose
// numbers are unknown, which it leaves out.
func (c card) profiles() ([]Profile, error) {
	if len(c.Profiles) == 0 {
		return nil, fmt.Errorf("GPU %q: its MIG profiles are not public: %s", c.GPU, strings.Join(c.Notes, " "))
	}
	profiles := make([]Profile, 0, len(c.Profiles))
	for _, p := range c.Profiles {
		n, invented, ok := p.known()
		if !ok {
			continue
		}
		profiles = append(profiles, Profile{
			ID: *n.ID, Name: p.Name, MemoryBytes: gib(*n.MemoryGiB), SMs: *n.SMs, Slices: p.Slices,
			Max: p.MaxInstances, Placements: slices.Clone(n.Placements), Attributes: slices.Clone(p.Attributes),
			Assumed: invented,
		})
	}
	if len(profiles) == 0 {
		return nil, fmt.Errorf("GPU %q: memory, SMs or placements of all its profiles were never published", c.GPU)
	}
	withCompute(profiles)
	return profiles, nil
}

// fieldWords are the table's unconfirmed fields that show in a simulation, in
// words. Media engines do not.
var fieldWords = []struct{ field, words string }{
	{"profile_id", "ids"}, {"memory_gib", "memory"}, {"sm_count", "SMs"}, {"placements", "placements"},
}

// assumed tells what of the profiles was never recorded from such a card, as
// [Device].Assumed does.
func (c card) assumed() string {
	var invented, missing, parts []string
	unconfirmed := make(map[string]bool)
	for _, p := range c.Profiles {
		switch _, made, ok := p.known(); {
		case !ok:
			missing = append(missing, p.Name)
		case made:
			invented = append(invented, p.Name)
		default:
			for _, f := range p.Unconfirmed {
				unconfirmed[f] = true
			}
		}
	}
	if len(invented) > 0 {
		parts = append(parts, "ids, memory, SMs and placements are invented for "+strings.Join(invented, ", "))
	}
	var words []string
	for _, f := range fieldWords {
		if unconfirmed[f.field] {
			words = append(words, f.words)
		}
	}
	if len(words) > 0 {
		parts = append(parts, strings.Join(words, ", ")+" follow other cards in at least one profile")
	}
	if len(missing) > 0 {
		parts = append(parts, "left out, as their memory and SMs were never published, are "+strings.Join(missing, ", "))
	}
	return strings.Join(parts, "; ")
}

// gib turns GiB into bytes, to whole MiB as nvidia-smi counts.
func gib(n float64) uint64 { return uint64(n*1024) << 20 }
