package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// sentences tell of capacities, and of the figures of all services, how the best
// configuration stands to the base. They rest on the interval of the ratio, never on
// those of the two sides.
func sentences(s *analysis.Summary) []string {
	type subject struct {
		figure string
		step   int
	}
	var seen []subject
	best := map[subject]analysis.Contrast{}
	for _, c := range s.Contrasts {
		if g := groupOf(c); g != groupCapacity && g != groupServices || c.Figure == agentFigure {
			continue
		}
		k := subject{c.Figure, c.Step}
		first, has := best[k]
		if !has {
			seen = append(seen, k)
			best[k] = c
		} else if c.Against == first.Against && ahead(c, first) {
			best[k] = c
		}
	}
	var list []string
	for _, k := range seen {
		list = append(list, sentence(s, best[k]))
	}
	return list
}

// ahead reports whether a contrast's configuration has the better ratio of the two.
func ahead(c, than analysis.Contrast) bool {
	if !c.Ratio.Known() || !than.Ratio.Known() {
		return c.Ratio.Known()
	}
	return *c.Ratio.Number > *than.Ratio.Number != c.Less && *c.Ratio.Number != *than.Ratio.Number
}

// sentence states a contrast for people who sign it: "B sustains +8.9 % [+6.1, +11.8]
// more Poisson load than A (3 pairs)."
func sentence(s *analysis.Summary, c analysis.Contrast) string {
	if c.Step >= 0 {
		return contrastStep(s, c.Step) + ": " + statement(s, c)
	}
	return statement(s, c)
}

func statement(s *analysis.Summary, c analysis.Contrast) string {
	bounds := boundsText(lessOne(c.Low), lessOne(c.High))
	switch {
	case !c.Ratio.Known() && bounds != "":
		return fmt.Sprintf("%s of %s against %s: %s (%s): %s.", c.Figure, c.Of, c.Against, bounds, from(c), c.Verdict)
	case !c.Ratio.Known():
		return fmt.Sprintf("%s of %s against %s cannot be compared: %s.", c.Figure, c.Of, c.Against, c.Ratio.Why)
	}
	if !c.Low.Known() || !c.High.Known() {
		return fmt.Sprintf("%s of %s against %s: %s, without an interval: %s.", c.Figure, c.Of, c.Against, change(lessOne(c.Ratio), c.Less, c.Verdict).Text, c.Low.Why)
	}
	amount := units.Change(*c.Ratio.Number-1) + " " + bracket(*c.Low.Number-1, *c.High.Number-1)
	switch c.Verdict {
	case analysis.ContrastEquivalent:
		return fmt.Sprintf("%s and %s are equivalent in %s: %s lies within the indifference zone of %s (%s).",
			c.Of, c.Against, c.Figure, amount, unsigned(s.Zone()), from(c))
	case analysis.ContrastNone:
		return fmt.Sprintf("No difference in %s is shown between %s and %s: %s (%s)%s.", c.Figure, c.Of, c.Against, amount, from(c), moreMinutes(c))
	}
	verb, up, down, thing := deed(s, c)
	if *c.Low.Number < 1 { // the word says which way, so that the figures need not
		up, amount = down, unsigned(1-*c.Ratio.Number)+" "+plainBracket(1-*c.High.Number, 1-*c.Low.Number)
	}
	return fmt.Sprintf("%s %s %s %s %s than %s (%s).", c.Of, verb, amount, up, thing, c.Against, from(c))
}

// from says on what an interval rests.
func from(c analysis.Contrast) string {
	if c.Basis == analysis.BasisReplicates {
		return units.Plural(c.Pairs, "pair")
	}
	return c.Basis
}

// boundsText writes how much a change is at least and at most; empty if neither is known.
func boundsText(low, high analysis.Value) string {
	var ends []string
	if low.Known() {
		ends = append(ends, "at least "+units.Change(*low.Number))
	}
	if high.Known() {
		ends = append(ends, "at most "+units.Change(*high.Number))
	}
	return strings.Join(ends, " and ")
}

// unsigned writes a share of change, without its sign.
func unsigned(share float64) string { return strings.TrimPrefix(units.Change(share), "+") }

// plainBracket writes an interval whose signs a word tells; an end beyond no change keeps
// its minus.
func plainBracket(low, high float64) string {
	return "[" + strings.TrimPrefix(bare(low), "+") + ", " + strings.TrimPrefix(bare(high), "+") + "]"
}

// deed gives the words for what a configuration does of a figure, and for having more of
// it and less.
func deed(s *analysis.Summary, c analysis.Contrast) (verb, up, down, thing string) {
	switch {
	case c.Step < 0:
		return "sustains", "more", "less", arrivalsOf(s) + "load"
	case c.Less:
		return "has a", "longer", "shorter", c.Figure
	case c.Figure == "Vision":
		return "completes", "more", "fewer", "Vision requests"
	}
	return "completes", "more", "fewer", c.Figure
}

// arrivalsOf names the arrivals of the searched load: "Poisson "; empty if cells differ.
func arrivalsOf(s *analysis.Summary) string {
	var all []string
	for _, c := range s.Cells {
		if c.Capacity != nil && !slices.Contains(all, c.Capacity.Arrivals) {
			all = append(all, c.Capacity.Arrivals)
		}
	}
	if len(all) != 1 || all[0] == "" || all[0] == "all" {
		return ""
	}
	if all[0] == "poisson" {
		return "Poisson "
	}
	return all[0] + " "
}

func moreMinutes(c analysis.Contrast) string {
	if !c.Needs.Known() {
		return ""
	}
	return fmt.Sprintf("; about %s min more of the server would decide it", units.Number(roundUp(*c.Needs.Number)))
}

// roundUp gives whole minutes.
func roundUp(minutes float64) float64 { return math.Ceil(minutes - 1e-9) }
