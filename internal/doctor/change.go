package doctor

import (
	"context"
	"slices"

	"github.com/evabench/evabench/partition"
)

// change plans, for each GPU by itself, layouts that change something, and tells
// why such a plan would be refused now. A change of the mode that waits is told by
// mig.
func change(_ context.Context, m Machine) []Finding {
	if lines, done := m.unread(); done {
		return lines
	}
	var all []Finding
	if m.Left != "" {
		all = append(all, fault(m.PutBack, "%s", m.Left))
	}
	for _, g := range m.GPUs.GPUs {
		one := m.GPUs
		g.MIG.Pending = g.MIG.Current
		one.GPUs = []partition.GPU{g}
		layouts := []string{"off", "off(mps)"}
		for _, p := range g.Profiles {
			layouts = append(layouts, p.Name)
		}
		for _, text := range layouts {
			_, err := plan(one, text)
			for _, r := range refusals(err) {
				why := r.Reason
				if r.GPU != "" {
					why = r.GPU + " " + why
				}
				if f := fault(r.Remedy, "%s", why); !slices.Contains(all, f) {
					all = append(all, f)
				}
			}
		}
	}
	if len(all) == 0 {
		return []Finding{ok("nothing stands in the way of a change")}
	}
	return all
}
