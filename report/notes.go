package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// briefNotes says what speaks for and against the numbers.
func briefNotes(s *analysis.Summary) []string {
	if len(s.Comparison) == 0 && len(measured(s)) == 0 {
		return append([]string{"No step was measured."}, briefWarnings(s)...)
	}
	notes := append(briefVerdicts(s), briefObjectives(s)...)
	if line := briefHTTP(s); line != "" {
		notes = append(notes, line)
	}
	return append(notes, briefWarnings(s)...)
}

func briefVerdicts(s *analysis.Summary) []string {
	var doubts, saturated, ended tally
	all := 0
	for _, p := range measured(s) {
		all++
		switch v := p.service.Verdict; {
		case v.Is == analysis.Void && p.step.Stopped != "":
			ended.add(p, p.service.Name)
		case v.Is == analysis.Saturated:
			saturated.add(p, p.service.Name)
		case !v.Measures():
			doubts.add(p, p.service.Name+": "+v.Is)
		}
	}
	over := append(saturated.lines("Saturated, queues grew: ", s), ended.lines("Ended before there was a window, clearly too much: ", s)...)
	if len(doubts.keys) == 0 && len(over) == 0 {
		return []string{fmt.Sprintf("Validity: all %s valid: no sign that the load generator spoiled them.", units.Plural(all, "measurement"))}
	}
	return append(doubts.lines("Not valid: ", s), over...)
}

// briefObjectives leaves out the steps with which a search looks for the load at which
// objectives are missed.
func briefObjectives(s *analysis.Summary) []string {
	var unmet tally
	all := 0
	for _, p := range measured(s) {
		if p.step.Looks() {
			continue
		}
		for _, clause := range p.service.SLO {
			all++
			if clause.Result != analysis.Met {
				unmet.add(p, fmt.Sprintf("%s %s: %s", p.service.Name, clause.Clause.Text, clause.Result))
			}
		}
	}
	switch {
	case len(s.Interference) > 0:
		return []string{"Objectives: not judged: what a neighbour does is seen where they are missed, too."}
	case all == 0 && s.Environment.Search != nil:
		return []string{"Objectives: no load was run only to confirm it."}
	case all == 0:
		return []string{"Objectives: none asked."}
	case len(unmet.keys) == 0:
		return []string{fmt.Sprintf("Objectives: all %d met.", all)}
	}
	return unmet.lines("Objective ", s)
}

// A tally counts what was found, by configuration.
type tally struct {
	keys  []string
	count map[string]map[string]int
}

func (t *tally) add(p place, key string) {
	if t.count == nil {
		t.count = map[string]map[string]int{}
	}
	if t.count[key] == nil {
		t.keys = append(t.keys, key)
		t.count[key] = map[string]int{}
	}
	t.count[key][cmp.Or(p.cell.Cell.Config.Name, p.cell.Cell.Folder)]++
}

// lines tells of each thing in which configurations it was found, and how
// often, if that is not once in each of their steps.
func (t *tally) lines(begin string, s *analysis.Summary) []string {
	steps := map[string]int{}
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			if step.Failover == nil {
				steps[cmp.Or(c.Cell.Config.Name, c.Cell.Folder)]++
			}
		}
	}
	var lines []string
	for i, key := range t.keys {
		if i == briefLines {
			lines = append(lines, fmt.Sprintf("And %d more: see the full report.", len(t.keys)-i))
			break
		}
		var where []string
		for _, config := range slices.Sorted(maps.Keys(t.count[key])) {
			if n := t.count[key][config]; n != steps[config] {
				config += fmt.Sprintf(" (%d of %s)", n, units.Plural(steps[config], "step"))
			}
			where = append(where, config)
		}
		in := strings.Join(where, ", ")
		if len(where) == len(steps) && len(where) > 1 && !strings.Contains(in, "(") {
			in = "every configuration"
		}
		lines = append(lines, begin+key+" in "+in+".")
	}
	return lines
}

// briefHTTP tells what part of the times between sending and answer HTTP took
// on a simulated server, and why where that is unknown; it is empty of a real
// one.
func briefHTTP(s *analysis.Summary) string {
	if s.Environment.Simulated == "" {
		return ""
	}
	var services []string
	costs := map[string]*cost{}
	for _, p := range measured(s) {
		name := p.service.Name
		if costs[name] == nil {
			costs[name] = &cost{}
			services = append(services, name)
		}
		costs[name].add(p.service.Overhead)
	}
	known := 0
	for _, name := range services {
		known += len(costs[name].shares)
	}
	if known == 0 {
		var reasons []string
		for _, name := range services {
			if why := costs[name].why; !slices.Contains(reasons, why) {
				reasons = append(reasons, why)
			}
		}
		return "HTTP cost: unknown (" + cmp.Or(strings.Join(reasons, "; "), "no step was measured") + ")."
	}
	var told []string
	for _, name := range services {
		told = append(told, name+" "+costs[name].String())
	}
	return "HTTP cost, in server time, of the time from sending to answer: " + strings.Join(told, ", ") + "."
}

// A cost is what is known of one service's Overheads.
type cost struct {
	shares  []float64
	unknown int
	why     string // of the last unknown one
}

func (c *cost) add(o *analysis.Overhead) {
	switch {
	case o == nil:
		c.unknown++
		c.why = "the server did not tell its own time for requests"
	case !o.Share.Known():
		c.unknown++
		c.why = o.Share.Why
	default:
		c.shares = append(c.shares, *o.Share.Number)
	}
}

func (c *cost) String() string {
	if len(c.shares) == 0 {
		return units.Unknown + " (" + c.why + ")"
	}
	low, high := units.Fixed(slices.Min(c.shares)*100, 1), units.Fixed(slices.Max(c.shares)*100, 1)
	if low != high {
		low += " to " + high
	}
	text := low + " %"
	if c.unknown > 0 {
		text += fmt.Sprintf(" (unknown in %d of %d: %s)", c.unknown, c.unknown+len(c.shares), c.why)
	}
	return text
}

// meanings say, for each code of a warning, what it means for the numbers, the
// most important first. A code that is not here comes last. Without a text, the
// first warning's own is told.
var meanings = []struct{ code, text string }{
	{"arrivals-lost", "requests are unaccounted for: trust no number of these steps"},
	{"step-void", "nothing was measured"},
	{"step-client-limited", "our own machine was too slow: the server may be faster than told"},
	{"step-saturated", "more load than the server can do: queues grew"},
	{"step-unsteady", "the server became slower or faster within the window"},
	{"cell-missing", "a configuration or replicate was not run to its end, and is in no table"},
	{"cell-failed", "a cell ended early: its figures are of what there was"},
	{"cell-interrupted", "a cell was stopped: its figures are of what there was"},
	{"damaged", "parts of the run are damaged and left out: what they told is unknown"},
	{"unreadable", "parts of the run could not be read: what they told is unknown"},
	{"gpu-xid", "a GPU reported critical errors: figures of that time may be of a GPU in trouble"},
	{"xid-not-watched", "whether GPUs had critical errors (Xid) is not known"},
	{"layout-unverified", "nobody checked that the GPU was partitioned as told"},
	{"not-ok", "some requests had no right answer: they are in no latency and no rate"},
	{"http-cost", "HTTP took over 5 % of the times: latencies are too long, users' rates too low"},
	{"rate-not-held", "the load was not sent at the rate that was asked for: requests waited"},
	{"schedule-rate", "the schedule had more or fewer arrivals than its rate makes by chance"},
	{"dispersion", "the load was not as even as asked: queues are longer or shorter"},
	{"think-time", ""},
	{"counts-differ", "the server counted other numbers of requests or tokens than we did"},
	{"page-not-believed", "pages did not move with our own requests: what they tell is unknown"},
	{"little-law", "rate x time is not what was in flight: steps not steady, or times wrong"},
	{"unstamped-reads", "not all reads have the kernel's time: token times may be too long"},
	{"stopped-load", "answers are slow for the window: the last came when the load had stopped"},
	{"window-edges", "rates depend on where the window was cut: it is short, or load not steady"},
	{"tls-unverified", "no certificate was checked: another server may have answered"},
	{"key-in-clear", "a key went over http to another machine: who stands between can read it"},
	{"cached-prompts", "prompts repeat: answers may be faster than in use"},
	{"told-refused", "answers told times of themselves that cannot be: taken as not told"},
	{"told-differs", "answers and the server's counters tell other waits: one of them is wrong"},
	{"page-old", "pages told old values: queues are of a moment before"},
	{"collector-failed", "pages could not be read: server-side figures have gaps"},
	{"collector-refused", "pages were not read at all: server-side figures are unknown"},
	{"collector-invalid", "pages held what is no number: it was left out"},
	{"collector-long-reads", "pages took over 50 ms to read: their moment is uncertain"},
	{"collector-flood", "a page was too large: it was read seldom"},
	{"collector-panicked", "a collector failed by a fault of ours: please report it"},
	{"host-not-told", "some of the host's figures are not told: unknown"},
	{"collector-slow", "pages were read seldomer than asked: server-side figures are coarser"},
	{"not-settled", "service time still fell when the load came: first steps may be slow"},
	{"warm-up-failures", "requests failed before the load came"},
	{"page-not-told", "a page did not tell what it was asked for: it is unknown"},
	{"page-unknown-names", "an engine told what evabench does not know: it was not read"},
	{"host-unknown", "the machine's description has gaps; no figure depends on it"},
}

// briefWarnings folds the warnings into a line for each kind, most important
// first.
func briefWarnings(s *analysis.Summary) []string {
	if len(s.Warnings) == 0 {
		return []string{"Warnings: none."}
	}
	counts, first := map[string]int{}, map[string]int{}
	for i, w := range s.Warnings {
		if counts[w.Code]++; counts[w.Code] == 1 {
			first[w.Code] = i
		}
	}
	rank := func(code string) int {
		i := slices.IndexFunc(meanings, func(m struct{ code, text string }) bool { return m.code == code })
		if i < 0 {
			return len(meanings)
		}
		return i
	}
	codes := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(first[a], first[b]))
	})
	lines := []string{fmt.Sprintf("Warnings: %s of %s; the full report has each.",
		units.Number(float64(len(s.Warnings))), units.Plural(len(codes), "kind"))}
	for i, code := range codes {
		if i == briefLines {
			lines = append(lines, fmt.Sprintf("And %s more.", units.Plural(len(codes)-i, "kind")))
			break
		}
		text := s.Warnings[first[code]].Text
		if r := rank(code); r < len(meanings) && meanings[r].text != "" {
			text = meanings[r].text
		}
		times := "once"
		if n := counts[code]; n > 1 {
			times = units.Plural(n, "time")
		}
		lines = append(lines, fmt.Sprintf("- %s, %s: %s.", code, times, text))
	}
	return lines
}
