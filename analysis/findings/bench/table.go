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
	n, first, amidst int            // runs that can be judged; those whose first finding, or any of the top ones, is right
	spoilt           int            // runs in which the load generator was late by itself
	silent           int            // runs in which nothing fired
	said             map[string]int // runs in which another rule was among the top ones
}

// throttled is the rule that tells of a load generator which is late.
const throttled = "throttled-generator"

// spoilt reports whether what a run says is of this machine and not of the fault.
func (f fault) spoilt(v verdict) bool {
	return f.name != throttled && slices.Contains(v.fired, throttled)
}

// add counts a run.
func (r *row) add(v verdict) {
	if r.fault.spoilt(v) {
		r.spoilt++
		return
	}
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

// total counts the runs with a fault that can be judged, those of them whose first finding
// is right, and all runs that this machine spoilt.
func total(rows []row) (right, n, spoilt int) {
	for _, r := range rows {
		spoilt += r.spoilt
		if r.fault.name != noFault {
			right, n = right+r.first, n+r.n
		}
	}
	return right, n, spoilt
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
	right, n, spoilt := total(rows)
	if n > 0 {
		fmt.Fprintf(&b, "| all | | %d of %d (%.0f %%) | | |\n", right, n, 100*float64(right)/float64(n))
	}
	for _, r := range rows {
		if r.fault.name == noFault {
			fmt.Fprintf(&b, "\nWithout a fault something was found in %d of %d runs: %s.\n", r.n-r.silent, r.n, others(r.said))
		}
	}
	if spoilt > 0 {
		fmt.Fprintf(&b, "\nNot counted, as the load generator was late because this machine did other work: %d.\n", spoilt)
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
