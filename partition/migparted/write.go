package migparted

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/evabench/evabench/partition"
)

// nameRE is what both mig-parted and a Kubernetes label take as a name.
var nameRE = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// Write writes a file with one configuration, of a name that is also good as a
// Kubernetes label: what a layout makes of the GPUs of a state, whatever runs
// on them now. The warnings tell what mig-parted cannot be told. It is an error
// if the GPUs cannot take the layout, as [partition.MakePlan] says.
//
// Entries name GPUs by index, never all: GPUs that the state does not hold are
// not configured, though nvidia-mig-parted apply resets them too where a change of a mode
// stays pending, unless it has --skip-reset. Where the card's PCI device id is known, it is a filter, so that
// another card at that index is not touched either.
func Write(name string, s partition.State, l partition.Layout) (data []byte, warnings []string, err error) {
	if !nameRE.MatchString(name) {
		return nil, nil, fmt.Errorf("the configuration name %q is not letters, digits, dots, hyphens and underscores, at most 63 of them", name)
	}
	p, err := partition.MakePlan(s.Idle(), l)
	if err != nil {
		return nil, nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "version: v1\nmig-configs:\n  %q:\n", name)
	for _, e := range entries(s, p.Targets) {
		e.write(&b)
	}
	return []byte(b.String()), unsaid(s, p.Targets), nil
}

// entries makes one entry for all GPUs of the same card with the same devices.
func entries(s partition.State, targets []partition.Target) []entry {
	var list []entry
	for i, t := range targets {
		e := entry{indices: []int{t.Index}, enabled: t.MIG, devices: devicesOf(t)}
		if id := s.GPUs[i].PCIDevice; id != 0 {
			e.filters = []filter{{text: fmt.Sprintf("0x%08X", id), id: id}}
		}
		k := slices.IndexFunc(list, func(o entry) bool {
			return o.enabled == e.enabled && slices.Equal(o.devices, e.devices) && slices.Equal(o.filters, e.filters)
		})
		if k < 0 {
			list = append(list, e)
			continue
		}
		list[k].indices = append(list[k].indices, t.Index)
	}
	return list
}

// devicesOf counts a target's MIG devices, large ones first.
func devicesOf(t partition.Target) []devices {
	var list []devices
	for _, slot := range t.Slots {
		for _, c := range slot.Compute {
			d := devices{profile: slot.Profile.Name, slices: slot.Profile.Slices, cut: c.Size}
			k := slices.IndexFunc(list, func(o devices) bool { return o.name() == d.name() })
			if k < 0 {
				list = append(list, d)
				k = len(list) - 1
			}
			list[k].count++
		}
	}
	slices.SortFunc(list, func(a, b devices) int {
		return cmp.Or(cmp.Compare(b.slices, a.slices), cmp.Compare(a.profile, b.profile), cmp.Compare(b.cut, a.cut))
	})
	return list
}

func (e entry) write(b *strings.Builder) {
	lead := "    - "
	if len(e.filters) > 0 {
		fmt.Fprintf(b, "%sdevice-filter: [%q]\n", lead, e.filters[0].text)
		lead = "      "
	}
	fmt.Fprintf(b, "%sdevices: [%s]\n      mig-enabled: %t\n", lead, indexList(e.indices), e.enabled)
	if len(e.devices) > 0 {
		fmt.Fprintln(b, "      mig-devices:")
	}
	for _, d := range e.devices {
		fmt.Fprintf(b, "        %q: %d\n", d.name(), d.count)
	}
}

// unsaid tells what of the targets the file does not hold.
func unsaid(s partition.State, targets []partition.Target) []string {
	var placed, shared, cut []string
	for _, t := range targets {
		if !t.MIG && (t.Sharing.IsMPS() || t.Sharing.TimeSlice != "") {
			shared = append(shared, fmt.Sprintf("gpu%d (%s)", t.Index, t.Sharing))
		}
		var places []string
		for _, slot := range t.Slots {
			places = append(places, fmt.Sprintf("%s at %s", slot.Profile.Name, slot.Placement))
			if slot.Sharing.IsMPS() || slot.Sharing.TimeSlice != "" {
				shared = append(shared, fmt.Sprintf("gpu%d/%s@%d (%s)", t.Index, slot.Profile.Name, slot.Placement.Start, slot.Sharing))
			}
		}
		if t.MIG {
			placed = append(placed, fmt.Sprintf("gpu%d: %s", t.Index, strings.Join(places, ", ")))
		}
		if want := splits(t); !reflect.DeepEqual(want, splitsOf(terms(devicesOf(t)))) {
			cut = append(cut, fmt.Sprintf("gpu%d: %s", t.Index, strings.Join(want, ", ")))
		}
	}
	var out []string
	if placed != nil {
		out = append(out, "places cannot be said in mig-parted's file, the driver chooses them; the layout has "+strings.Join(placed, "; "))
	}
	if shared != nil {
		out = append(out, "sharing cannot be said in mig-parted's file; start the daemons and set the time slices in another way: "+strings.Join(shared, ", "))
	}
	if cut != nil {
		out = append(out, "which compute instances lie together cannot be said in mig-parted's file, and it would pack these in another way: "+strings.Join(cut, "; "))
	}
	return out
}

// splits lists the cut instances of a target, such as "3g.20gb into 2c+1c",
// sorted.
func splits(t partition.Target) []string {
	var list []partition.Term
	for _, slot := range t.Slots {
		term := partition.Term{Profile: slot.Profile.Name, Count: 1}
		for _, c := range slot.Compute {
			term.Split = append(term.Split, c.Size)
		}
		if len(term.Split) == 1 && term.Split[0] == slot.Profile.Slices {
			term.Split = nil
		}
		list = append(list, term)
	}
	return splitsOf(list)
}

func splitsOf(list []partition.Term) []string {
	var out []string
	for _, t := range list {
		if t.Split == nil {
			continue
		}
		cuts := slices.Sorted(slices.Values(t.Split))
		out = append(out, slices.Repeat([]string{fmt.Sprintf("%s into slices %s", t.Profile, indexList(cuts))}, t.Count)...)
	}
	slices.Sort(out)
	return out
}
