package recommend

import (
	"cmp"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// simpler compares how simple two configurations are to run, the simpler one first. In
// this order, of which the first that differs decides:
//
//  1. no MIG before MIG on some devices, before MIG on all;
//  2. time-slicing before MPS, likewise;
//  3. fewer devices in the layout;
//  4. fewer worker processes;
//  5. round-robin, which is the default, before other routing;
//  6. the automatic placement before an explicit one;
//  7. fewer launch parameters.
//
// MIG comes first because it is what the guide names as the burden of operation:
// partitions to manage, instances to watch, reassignment after failures.
func simpler(a, b candidate) int {
	return cmp.Or(
		cmp.Compare(extent(a.mig), extent(b.mig)),
		cmp.Compare(extent(a.mps), extent(b.mps)),
		cmp.Compare(len(a.first.Layout.Devices), len(b.first.Layout.Devices)),
		cmp.Compare(a.workers(), b.workers()),
		cmp.Compare(odd(a.config.Routing != "round-robin"), odd(b.config.Routing != "round-robin")),
		cmp.Compare(odd(a.config.Placement != "auto"), odd(b.config.Placement != "auto")),
		cmp.Compare(len(a.config.Params), len(b.config.Params)),
	)
}

func odd(is bool) int {
	if is {
		return 1
	}
	return 0
}

// extent puts uses in order; one that is not known comes last.
func extent(u analysis.Use) int {
	return slices.Index([]analysis.Use{analysis.UseNone, analysis.UseSome, analysis.UseAll, analysis.UseUnknown}, u)
}

// workers counts the worker processes of all instances; an instance that tells of none
// is one process.
func (c candidate) workers() int {
	n := 0
	for _, i := range c.first.Cell.Instances {
		n += processes(i)
	}
	return n
}

func processes(i results.Instance) int {
	n := 0
	for _, w := range i.Workers {
		n += w
	}
	return max(n, 1)
}

// simplest of candidates, at least one; of those that are alike the first by name.
func simplest(list []candidate) candidate {
	return slices.MinFunc(list, func(a, b candidate) int { return cmp.Or(simpler(a, b), byName(a, b)) })
}

func byName(a, b candidate) int { return strings.Compare(a.name, b.name) }
