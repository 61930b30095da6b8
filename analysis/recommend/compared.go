package recommend

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// An uncompared is a configuration that the choice leaves out, as no cell of it tells the
// figure.
type uncompared struct {
	name, why string
	never     bool // it cannot be run: there is nothing to measure again
}

// uncompared lists those with cells of which the figure is not known, and why.
func (r run) uncompared(f analysis.Criterion) (list []uncompared) {
	short := r.short()
	for _, c := range r.Cells {
		name := c.Cell.Config.Name
		if name == "" || f.Mean(name).Known() || slices.ContainsFunc(list, func(u uncompared) bool { return u.name == name }) {
			continue
		}
		u := uncompared{name: name}
		if _, done := r.of(name); !done {
			u.why, u.never = "it has no replicate that was finished ("+byReason(r.faults(name))+")", short[name] != ""
		} else if refused := f.Refused(name); len(refused) > 0 {
			u.why = "it has no valid replicate (" + byReason(refused) + ")"
		} else {
			u.why = "it was not measured for this"
		}
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b uncompared) int { return cmp.Compare(a.name, b.name) })
	return list
}

// faults says how each cell of a configuration ended, in the first line of its fault.
func (r run) faults(name string) []string {
	return r.ended(name, func(results.Cell) bool { return true })
}

// lost says how those of its cells ended that failed.
func (r run) lost(name string) []string {
	return r.ended(name, func(c results.Cell) bool { return c.Status == results.CellFailed })
}

func (r run) ended(name string, so func(results.Cell) bool) (list []string) {
	for _, c := range r.Cells {
		if c.Cell.Config.Name == name && so(c.Cell) {
			fault, _, _ := strings.Cut(c.Cell.Fault, "\n")
			list = append(list, fmt.Sprintf("r%d: %s", c.Cell.Replicate, cmp.Or(fault, c.Cell.Status, "not finished")))
		}
	}
	slices.Sort(list)
	return list
}

// byReason names the replicates that have one reason in one place: "r1, r2: it ended".
func byReason(reasons []string) string {
	var whys, replicates []string
	for _, reason := range reasons {
		replicate, why, _ := strings.Cut(reason, ": ")
		if i := slices.Index(whys, why); i >= 0 {
			replicates[i] += ", " + replicate
			continue
		}
		whys, replicates = append(whys, why), append(replicates, replicate)
	}
	for i := range whys {
		whys[i] = replicates[i] + ": " + whys[i]
	}
	return some(whys)
}

func (u uncompared) words() string {
	return fmt.Sprintf("configuration %s was not compared: %s", u.name, u.why)
}

// sameReplicate tells of faults whether they are of one's replicate.
func sameReplicate(one string) func(string) bool {
	r, _, _ := strings.Cut(one, ":")
	return func(other string) bool { return strings.HasPrefix(other, r+":") }
}

// failing adds to how sure a choice is in which replicates it failed: the others show that
// it is better, and not that it can be relied on.
func failing(sure, name string, lost []string) string {
	if len(lost) == 0 {
		return sure
	}
	if sure == analysis.Shown {
		sure = "better in the replicates that were finished"
	}
	return fmt.Sprintf("%s; but %s failed in %s; find out why, and measure it again", sure, name, byReason(lost))
}

// besides adds to how sure a choice is which configurations it leaves out, and what to do
// about them.
func besides(sure string, left []string) string {
	if len(left) == 0 {
		return sure
	}
	if sure == analysis.Shown {
		sure = "clear among the configurations that were compared"
	}
	return fmt.Sprintf("%s; %s; remove the cause (see Findings and Warnings), and measure again what was not compared", sure, strings.Join(left, "; "))
}
