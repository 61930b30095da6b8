package analysis

import (
	"fmt"
	"strings"
	"time"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// SlowRead is the time above which the read of a page is counted as slow: what it tells is
// of some moment within, and a server may answer nothing else meanwhile.
const SlowRead = 50 * time.Millisecond

// oldPage is the age of a page's values, in seconds, above which it is warned of. Where
// the age comes of the server's Date, it is known to a second.
const oldPage = 2.0

// seriesPageAge is what collectors of pages tell of their age.
const seriesPageAge = "evabench:page_age_seconds"

// The verdicts on a page. A page is believed if a counter on it moved as our own count of
// answers did; a page that has none, or that we got no answers to hold it against,
// is not checked, and is used. What is not believed is not used.
const (
	Believed    = "believed"
	NotChecked  = "not checked"
	NotBelieved = "not believed"
)

// A PageTrust tells how far one instance's page can be trusted in a step's window.
type PageTrust struct {
	Source  string `json:"source"` // the collector; empty if none read the instance
	Verdict string `json:"verdict"`
	Why     string `json:"why"`
	Reads   int64  `json:"reads"` // within the window
	Failed  int64  `json:"failed"`
	// Slow is how many took longer than SlowRead, and Slowest the longest, in seconds of
	// the clock, also on a simulated server. It is unknown if no read told how long it took.
	Slow    int64 `json:"slow"`
	Slowest Value `json:"slowest"`
	// Oldest is the most that the page's values were old when they were read, in seconds of
	// the clock, where the page tells.
	Oldest Value `json:"oldest"`
}

// trusts gives what is known of the instance's pages.
func (p page) trusts() []PageTrust {
	list := []PageTrust{p.trust}
	if p.sums != nil {
		list = append(list, p.sums.trust)
	}
	if p.http != nil {
		list = append(list, p.http.trust)
	}
	return list
}

// judgePages judges all pages, and takes from those that are not believed that they are
// read.
func (r serviceReader) judgePages() {
	for i := range r.pages {
		p := &r.pages[i]
		p.trust = r.judgePage(p)
		if p.sums != nil {
			p.sums.trust = r.judgePage(p.sums)
		}
		if p.http != nil {
			p.http.trust = r.judgeLoad(p.http)
		}
	}
}

func (r serviceReader) judgePage(p *page) PageTrust {
	t := PageTrust{Source: p.source, Verdict: NotChecked}
	t.Slowest, t.Oldest = unknown("s", "no read of the window tells how long it took"), unknown("s", "the page does not tell")
	if p.source == "" {
		t.Why = p.instance + " has no readings" + p.because(r.window)
		return t
	}
	t.Reads, t.Failed = p.reads(r.window)
	scale := max(1, r.scale)
	for _, point := range p.within(results.SeriesReadSeconds, r.window) {
		took := point.Value / scale
		if took > SlowRead.Seconds() {
			t.Slow++
		}
		if !t.Slowest.Known() || took > *t.Slowest.Number {
			t.Slowest = known(took, "s")
		}
	}
	for _, point := range p.within(seriesPageAge, r.window) {
		if old := point.Value / scale; !t.Oldest.Known() || old > *t.Oldest.Number {
			t.Oldest = known(old, "s")
		}
	}
	t.Verdict, t.Why = r.moves(*p)
	if t.Verdict == NotBelieved {
		p.doubt = fmt.Errorf("the %s page of %s is not believed: %s", p.source, p.instance, t.Why)
	}
	return t
}

// reads counts the reads of a window, and those of them that failed.
func (p page) reads(w window) (all, failed int64) {
	for _, point := range p.within(results.SeriesReadOK, w) {
		if all++; point.Value == 0 {
			failed++
		}
	}
	return all, failed
}

// within gives a series' readings within a window.
func (p page) within(series string, w window) []stats.Point {
	var list []stats.Point
	for _, points := range p.readings[series] {
		for _, point := range points {
			if point.At >= w.from.Seconds() && point.At <= w.to.Seconds() {
				list = append(list, point)
			}
		}
	}
	return list
}

// because tells why a page's readings are missing, as its collector told; empty if
// nothing failed.
func (p page) because(w window) string {
	var parts []string
	if all, failed := p.reads(w); failed > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d reads in the window failed", failed, all))
	} else if all > 0 && p.source != "" {
		return ""
	}
	if p.fault != "" {
		parts = append(parts, p.fault)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ": ") + ")"
}

// faultOf gives the first text of a collector's warnings about reads of an instance.
func faultOf(warnings []results.Warning, instance, source string) string {
	for _, w := range warnings {
		if w.Subject == instance && strings.HasPrefix(w.Code, "collector-") && w.Code != "collector-slow" && (source == "" || strings.HasPrefix(w.Text, source+":")) {
			return w.Text
		}
	}
	return ""
}

// movesSlack is the share of our answers by which a server's count may be less than
// they require.
const movesSlack = 0.05

// moves judges a page by a counter on it, between the readings nearest to the window's
// edges: it has to have grown while we got answers, and if it counts requests, by no
// fewer than our answers less those that it may have counted before the first
// reading, and those that came while the last was under way.
func (r serviceReader) moves(p page) (verdict, why string) {
	series := ""
	for _, name := range p.engine.moving {
		if len(p.readings[name]) > 0 {
			series = name
			break
		}
	}
	if series == "" {
		return NotChecked, "no counter of it moves with requests" + p.because(r.window)
	}
	a, b, err := r.edges(p, series)
	if err != nil {
		return NotChecked, err.Error()
	}
	server := difference(p.readings[series], a, b)
	began := p.began()
	if at, told := began[b]; told {
		b = max(a, at)
	}
	ours := r.okBetween(p.instance, a, b)
	switch {
	case ours < 2:
		return NotChecked, fmt.Sprintf("%d of our requests ended between its readings", ours)
	case !server.Known():
		return NotChecked, server.Why
	case *server.Number == 0:
		return NotBelieved, fmt.Sprintf("%s stood still while we got %d answers", series, ours)
	case series == p.engine.output:
		return Believed, fmt.Sprintf("%s grew by %.0f while we got %d answers", series, *server.Number, ours)
	}
	least := (1-movesSlack)*float64(ours) - r.inFlight(p.instance, a)
	if *server.Number < least {
		return NotBelieved, fmt.Sprintf("%s grew by %.0f while we got %d answers: it is not of all of this server", series, *server.Number, ours)
	}
	return Believed, fmt.Sprintf("%s grew by %.0f while we got %d answers", series, *server.Number, ours)
}

// inFlight counts what we had at an instance at a moment in seconds.
func (r serviceReader) inFlight(instance string, at float64) float64 {
	calls := r.tally.calls[instance]
	if calls == nil {
		return 0
	}
	return calls.inFlightAt([]stats.Point{{At: at}})[0].Value
}

// pageWarnings tells of the pages of a service that were old, or are not believed.
//
// Note: that reads took long is their collector's warning (collector-long-reads), for all
// sources and all of a cell; how many did in a step stands with the page.
func pageWarnings(list []Waiting) []results.Warning {
	var doubts, old []string
	for _, w := range list {
		for _, p := range w.Pages {
			if p.Oldest.Known() && *p.Oldest.Number > oldPage {
				old = append(old, fmt.Sprintf("%s (%s): %.3g s", w.Instance, p.Source, *p.Oldest.Number))
			}
			if p.Verdict == NotBelieved {
				doubts = append(doubts, w.Instance+" ("+p.Source+"): "+p.Why)
			}
		}
	}
	var warnings []results.Warning
	if len(old) > 0 {
		warnings = append(warnings, results.Warning{Code: "page-old", Count: int64(len(old)), Text: firstOf(old) + ": so old were its values when they were read, and are taken for those of that moment"})
	}
	if len(doubts) > 0 {
		warnings = append(warnings, results.Warning{Code: "page-not-believed", Count: int64(len(doubts)), Text: firstOf(doubts) + "; what it tells of queues is unknown"})
	}
	return warnings
}

func firstOf(list []string) string {
	if n := len(list) - 1; n > 0 {
		return fmt.Sprintf("%s; and %d more", list[0], n)
	}
	return list[0]
}
