package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A row counts what was said in the runs of one case.
type row struct {
	fault            fault
	n, first, amidst int            // runs; those whose first finding, or any of the top ones, is right
	silent           int            // runs in which nothing fired
	said             map[string]int // runs in which another rule was among the top ones
}

// add counts a run.
func (r *row) add(v verdict) {
	r.n++
	if len(v.fired) == 0 {
		r.silent++
	}
	if len(v.top) > 0 && v.top[0] == r.fault.name {
		r.first++
	}
	for i, rule := range v.top {
		if rule == r.fault.name {
			r.amidst++
		} else if !slices.Contains(v.top[:i], rule) {
			r.said[rule]++
		}
	}
}

// total counts the runs with a fault, and those of them whose first finding is right.
func total(rows []row) (right, n int) {
	for _, r := range rows {
		if r.fault.name != noFault {
			right, n = right+r.first, n+r.n
		}
	}
	return right, n
}

// table is Markdown: a line for each fault, the sum, and what was said without a fault.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| fault | drawn | first finding right | among the first three | other findings among them, in runs |\n| --- | --- | ---: | ---: | --- |\n")
	for _, r := range rows {
		if r.fault.name != noFault {
			fmt.Fprintf(&b, "| %s | %s | %d of %d | %d of %d | %s |\n", r.fault.name, r.fault.ranges, r.first, r.n, r.amidst, r.n, others(r.said))
		}
	}
	if right, n := total(rows); n > 0 {
		fmt.Fprintf(&b, "| all | | %d of %d (%.0f %%) | | |\n", right, n, 100*float64(right)/float64(n))
	}
	for _, r := range rows {
		if r.fault.name == noFault {
			fmt.Fprintf(&b, "\nWithout a fault something was found in %d of %d runs: %s.\n", r.n-r.silent, r.n, others(r.said))
		}
	}
	return b.String()
}

// others lists rules, the most frequent first.
func others(said map[string]int) string {
	if len(said) == 0 {
		return "none"
	}
	rules := slices.SortedFunc(maps.Keys(said), func(a, b string) int { return cmp.Or(cmp.Compare(said[b], said[a]), cmp.Compare(a, b)) })
	for i, rule := range rules {
		rules[i] = fmt.Sprintf("%s %d", rule, said[rule])
	}
	return strings.Join(rules, ", ")
}
