package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

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
	{"race-differs", "a race that was resumed does not come to what it decided before: read both"},
	{"servers-differ", "servers said other versions than in other cells: that may be what differs"},
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
	{"little-law", "rate x time is not what was in flight: steps may be unsteady"},
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
	{"log-gaps", "a server's log has gaps: what it said there is lost"},
	{"host-not-told", "some of the host's figures are not told: unknown"},
	{"collector-slow", "pages were read seldomer than asked: server-side figures are coarser"},
	{"not-settled", "service time still fell when the load came: first steps may be slow"},
	{"warm-up-failures", "requests failed before the load came"},
	{"page-not-told", "a page did not tell what it was asked for: it is unknown"},
	{"page-unknown-names", "an engine told what evabench does not know: it was not read"},
	{"host-unknown", "the machine's description has gaps; no figure depends on it"},
}

// A warningKind is how many warnings have a code, and what they mean in words.
type warningKind struct {
	code, means string
	n           int
}

// kindsOf folds warnings into their kinds, the most important first.
func kindsOf(list []analysis.Warning) []warningKind {
	var kinds []warningKind
	for _, w := range list {
		i := slices.IndexFunc(kinds, func(k warningKind) bool { return k.code == w.Code })
		if i < 0 {
			i = len(kinds)
			kinds = append(kinds, warningKind{code: w.Code, means: w.Text})
			if r := rankOf(w.Code); r < len(meanings) {
				kinds[i].means = cmp.Or(meanings[r].text, w.Text)
			}
		}
		kinds[i].n++
	}
	slices.SortStableFunc(kinds, func(a, b warningKind) int { return cmp.Compare(rankOf(a.code), rankOf(b.code)) })
	return kinds
}

// rankOf is a code's place in meanings; that of one which is not there comes last.
func rankOf(code string) int {
	if i := slices.IndexFunc(meanings, func(m struct{ code, text string }) bool { return m.code == code }); i >= 0 {
		return i
	}
	return len(meanings)
}

// kindsText tells the first kinds in words.
func kindsText(kinds []warningKind, most int) string {
	var told []string
	for _, k := range kinds {
		told = append(told, fmt.Sprintf("%d x %s (%s)", k.n, k.code, strings.TrimSuffix(k.means, ".")))
	}
	if len(told) > most {
		told = append(told[:most], "and "+units.Plural(len(kinds)-most, "kind")+" more")
	}
	return strings.Join(told, "; ")
}

// meaningTable says of each code that was seen what it means.
func meaningTable(list []analysis.Warning) Table {
	t := Table{ID: "warning-kinds", Title: "What the warnings mean, the gravest first", Columns: []Column{words("Code"), words("Means")}}
	for _, k := range kindsOf(list) {
		t.Rows = append(t.Rows, []Cell{Text(k.code), Text(k.means)})
	}
	return t
}
