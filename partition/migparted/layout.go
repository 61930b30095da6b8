package migparted

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/evabench/evabench/partition"
)

// An UncoveredError tells of GPUs that no entry of a configuration is for.
// mig-parted leaves such GPUs as they are; a layout has no word for that. To
// do the same, ask for the layout of the other GPUs only.
type UncoveredError struct {
	File, Config string
	GPUs         []int // indices
}

// Error tells which GPUs, of which configuration.
func (e *UncoveredError) Error() string {
	return fmt.Sprintf("%s: the configuration %q says nothing of GPUs %s; name only the GPUs that it is for, or add an entry", e.File, e.Config, indexList(e.GPUs))
}

// Layout gives what a configuration makes of some GPUs, all of the same host.
// Where all get the same, the layout has one entry for every named GPU.
//
// The counts of compute instances such as 1c.2g.10gb are packed into as few GPU
// instances as hold them; mig-parted packs by trying, and comes to the same on
// every card that has room for no more than two instances of such a profile.
//
// It is an error if the file has no such configuration, if two entries are for
// one GPU (mig-parted carries out both, one after the other), if an entry turns
// MIG on without instances, or if a filter cannot be decided. GPUs that no
// entry is for are an *[UncoveredError].
func (f File) Layout(name string, gpus []GPU) (partition.Layout, error) {
	k := slices.IndexFunc(f.configs, func(c config) bool { return c.name == name })
	if k < 0 {
		return partition.Layout{}, fmt.Errorf("%s has no configuration %q; it has %s", f.name, name, strings.Join(f.Names(), ", "))
	}
	if len(gpus) == 0 {
		return partition.Layout{}, fmt.Errorf("%s: there is no GPU to make a layout for", f.name)
	}
	var l partition.Layout
	var uncovered []int
	for _, g := range gpus {
		e, err := f.configs[k].entryFor(g)
		switch {
		case err != nil:
			return partition.Layout{}, fmt.Errorf("%s: the configuration %q: %w", f.name, name, err)
		case e == nil:
			uncovered = append(uncovered, g.Index)
			continue
		}
		terms, err := e.terms()
		if err != nil {
			return partition.Layout{}, fmt.Errorf("%s: the configuration %q: %w", f.name, name, err)
		}
		l.GPUs = append(l.GPUs, partition.GPULayout{Index: g.Index, Terms: terms})
	}
	if len(uncovered) > 0 {
		return partition.Layout{}, &UncoveredError{File: f.name, Config: name, GPUs: uncovered}
	}
	return folded(l), nil
}

// folded writes one entry for all GPUs where all are alike.
func folded(l partition.Layout) partition.Layout {
	for _, g := range l.GPUs[1:] {
		if !reflect.DeepEqual(g.Terms, l.GPUs[0].Terms) {
			slices.SortFunc(l.GPUs, func(a, b partition.GPULayout) int { return cmp.Compare(a.Index, b.Index) })
			return l
		}
	}
	return partition.Layout{GPUs: []partition.GPULayout{{Index: partition.AllGPUs, Terms: l.GPUs[0].Terms}}}
}

// entryFor finds the one entry for a GPU, nil if there is none.
func (c config) entryFor(g GPU) (*entry, error) {
	var found *entry
	for i := range c.entries {
		covers, err := c.entries[i].covers(g)
		if err != nil {
			return nil, err
		}
		if covers && found != nil {
			return nil, fmt.Errorf("the entries at lines %d and %d are both for GPU %d; leave one of them", found.line, c.entries[i].line, g.Index)
		}
		if covers {
			found = &c.entries[i]
		}
	}
	return found, nil
}

// terms writes an entry as a layout does: large instances first.
func (e entry) terms() ([]partition.Term, error) {
	if !e.enabled {
		return []partition.Term{{Count: 1}}, nil
	}
	if len(e.devices) == 0 {
		return nil, fmt.Errorf("the entry at line %d turns MIG on without instances, and then nothing can run on the GPU: a layout has no word for it", e.line)
	}
	return terms(e.devices), nil
}

// terms turns devices into the terms of the GPU instances that they are on.
func terms(list []devices) []partition.Term {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b devices) int {
		return cmp.Or(cmp.Compare(b.slices, a.slices), cmp.Compare(a.profile, b.profile), cmp.Compare(b.cut, a.cut))
	})
	var out []partition.Term
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].profile == list[0].profile {
			n++
		}
		whole, cuts := 0, []int(nil)
		for _, d := range list[:n] {
			if d.cut == d.slices {
				whole += d.count
			} else {
				cuts = append(cuts, slices.Repeat([]int{d.cut}, d.count)...)
			}
		}
		if whole > 0 {
			out = append(out, partition.Term{Profile: list[0].profile, Count: whole})
		}
		out = append(out, packed(list[0].profile, list[0].slices, cuts)...)
		list = list[n:]
	}
	return out
}

// indexList writes indices for people.
func indexList(indices []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(indices), " ", ", "), "[]")
}
