package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/glossary"
	"github.com/evabench/evabench/loadgen/routers"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// Every word that the program itself gives to something is explained, and named for what it
// is where it is one of several.
func TestOwnWordsAreExplained(t *testing.T) {
	own := map[string][]string{
		"Verdict:": {analysis.Void, analysis.ClientLimited, analysis.Unjudged, analysis.Saturated, analysis.Unsteady, analysis.Valid},
		"End of ": {
			analysis.CapacityFound, analysis.CapacityNever, analysis.CapacityAlways, analysis.CapacityCliff, analysis.CapacityNonMonotone,
			analysis.CapacityDrift, analysis.CapacityUnfinished, analysis.CapacityBracketed, analysis.CapacityBeaten, analysis.CapacityInvalid,
		},
		"Comparison:":  {analysis.ContrastBetter, analysis.ContrastWorse, analysis.ContrastEquivalent, analysis.ContrastNone, analysis.ContrastUnknown},
		"evels":        {scenarios.Constant, scenarios.Poisson, scenarios.Gamma, scenarios.Cameras, scenarios.Trace, scenarios.Closed},
		"search":       {scenarios.SearchLadder, scenarios.SearchInterference},
		"Search mode:": {scenarios.ModeGrid, scenarios.ModeRace},
		"sustains":     {scenarios.SearchFrontier},
	}
	for _, o := range results.Outcomes() {
		own["utcome"] = append(own["utcome"], o.String())
	}
	for _, p := range partition.Permissions() {
		own["allow"] = append(own["allow"], string(p))
	}
	for _, k := range routers.Kinds {
		own["Routing:"] = append(own["Routing:"], k.Name)
	}
	for says, words := range own {
		if len(words) == 0 {
			t.Errorf("no words for %q", says)
		}
		for _, w := range words {
			term, ok := glossary.Find(w)
			if !ok || !strings.Contains(term.Text, says) {
				t.Errorf("%q is not explained as what it is (%q): %q", w, says, term.Text)
			}
		}
	}
}

// Nothing that explain prints is too wide, and the list names every word.
func TestExplainFits(t *testing.T) {
	for _, asked := range append([]string{""}, termNames()...) {
		var out strings.Builder
		var args []string
		if asked != "" {
			args = []string{asked}
		}
		if err := explain(&out, args); err != nil {
			t.Errorf("explain %q: %v", asked, err)
		}
		for line := range strings.Lines(out.String()) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > lineWidth {
				t.Errorf("explain %q has the line %q", asked, line)
			}
		}
		if asked == "" && !strings.Contains(out.String(), "frontier") {
			t.Errorf("the list lacks a word:\n%s", out.String())
		}
	}
}

func TestExplainUnknown(t *testing.T) {
	for name, want := range map[string]string{
		"migg":     `explain "migg": no such word; did you mean MIG? "evabench explain" lists all`,
		"qqqqqqqq": `explain "qqqqqqqq": no such word; "evabench explain" lists all`,
	} {
		err := explain(&strings.Builder{}, []string{name})
		if err == nil || err.Error() != want {
			t.Errorf("explain %q: %v, want %s", name, err, want)
		}
	}
}
