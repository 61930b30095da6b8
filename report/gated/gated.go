// Package gated tells what a gate came to: in a line for each requirement, and as the
// JUnit XML that CI servers read.
package gated

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/gate"
	"github.com/evabench/evabench/internal/units"
)

// An Outcome is what a gate came to.
type Outcome struct {
	Summary *analysis.Summary // of the run that was judged
	Results []gate.Result
	// Against and Regressions are nil without a baseline. Most is the share by which a
	// figure may be worse.
	Against     *analysis.Against
	Regressions []gate.Regression
	Most        float64
	// Unjudged is why a baseline was asked for and nothing could be compared with it; else
	// empty.
	Unjudged string
}

// Failed counts the requirements that are not met and the figures that are worse than
// they may be, Warned those of which that is not shown.
func (o Outcome) Failed() (failed, warned int) {
	for _, r := range o.Results {
		if !r.Met {
			failed++
		}
	}
	for _, r := range o.Regressions {
		if !r.Met {
			failed++
		} else if r.Warn {
			warned++
		}
	}
	return failed, warned
}

// A line is one thing that was judged, in words.
type line struct {
	state string // met, warning, NOT MET
	asks  string
	says  string
}

// The states of a line.
const (
	stateMet    = "met"
	stateWarned = "warning"
	stateFailed = "NOT MET"
)

// Text writes a line for each requirement, in which configuration, replicate and step it
// was worst, and for each figure that is not as good as the baseline's; then how many
// were met.
func (o Outcome) Text() string {
	var b strings.Builder
	if e := o.Summary.Environment; e.Simulated != "" {
		fmt.Fprintf(&b, "SIMULATED: every number was made by the simulated server %s, none was measured on a GPU.\n", printable(e.Simulated))
	}
	var lines []line
	for _, r := range o.Results {
		lines = append(lines, lineOf(r))
	}
	same := 0
	for _, r := range o.Regressions {
		if r.Met && !r.Warn {
			same++
			continue
		}
		lines = append(lines, o.regressionLine(r))
	}
	wide := 0
	for _, l := range lines {
		wide = max(wide, len([]rune(l.asks)))
	}
	for _, l := range lines {
		fmt.Fprintf(&b, "%-7s  %s%s  %s\n", l.state, printable(l.asks), strings.Repeat(" ", min(wide, 40)-min(len([]rune(l.asks)), min(wide, 40))), printable(l.says))
	}
	if o.Against != nil {
		fmt.Fprintf(&b, "%-7s  %s of the baseline %s: not shown to be worse by more than %s\n", stateMet, units.Plural(same, "figure"), printable(o.Against.Runs[0].Name), units.Format(o.Most, units.Ratio))
		if o.Against.Same {
			fmt.Fprintf(&b, "%-7s  the baseline is the same measurement: nothing was compared\n", "note")
		}
		if names := o.come(); len(names) > 0 {
			fmt.Fprintf(&b, "%-7s  the baseline does not have %s: nothing to compare with\n", "note", printable(strings.Join(names, ", ")))
		}
		for _, d := range o.Against.Differences {
			if d.Means != "" {
				fmt.Fprintf(&b, "%-7s  %s differs from the baseline's (%s): %s\n", "note", printable(d.What), printable(strings.Join(d.Values, " against ")), d.Means)
			}
		}
	}
	failed, warned := o.Failed()
	fmt.Fprintf(&b, "%s: %d not met, %d with a warning\n", units.Plural(len(o.Results)+len(o.Regressions), "requirement"), failed, warned)
	return b.String()
}

// come names the configurations and steps that only the run has.
func (o Outcome) come() []string {
	var names []string
	for _, x := range o.Against.Alone {
		if !x.Gone {
			names = append(names, named(x.Config, x.Step))
		}
	}
	return names
}

// named writes a configuration, or a step of it.
func named(config, step string) string {
	if step == "" {
		return config
	}
	return config + " @ " + step
}

func lineOf(r gate.Result) line {
	l := line{state: stateMet, asks: r.Requirement.Text, says: says(r)}
	if !r.Met {
		l.state = stateFailed
	}
	return l
}

// says tells the worst point of a requirement and how many there are.
func says(r gate.Result) string {
	p := r.Points[r.Worst]
	text := value(r.Requirement, p)
	if p.Why != "" && p.Value.Known() {
		text += ", but " + p.Why
	} else if p.Why != "" && p.Value.Inapplicable {
		text = p.Why
	}
	if p.Note != "" {
		text += " (" + p.Note + ")"
	}
	if at := where(r.Requirement, p); at != "" {
		text += ", in " + at
	}
	missed := 0
	for _, q := range r.Points {
		if !q.Met {
			missed++
		}
	}
	switch n := len(r.Points); {
	case n == 1:
	case missed > 0:
		text += fmt.Sprintf("; %d of %d not met", missed, n)
	default:
		text += fmt.Sprintf("; the worst of %d", n)
	}
	return text
}

// value writes what a point is.
func value(r gate.Requirement, p gate.Point) string {
	switch {
	case p.Value.Inapplicable:
		if r.Metric == gate.MetricSLO {
			return "every objective is met"
		}
		return "valid"
	case p.Beyond:
		return p.Value.Why
	case !p.Value.Known():
		return "not known: " + p.Value.Why
	}
	text := format(*p.Value.Number, p.Value.Unit, r)
	if p.End.Known() && *p.End.Number != *p.Value.Number {
		word := "up to"
		if *p.End.Number < *p.Value.Number {
			word = "down to"
		}
		text += fmt.Sprintf(", %s %s", word, format(*p.End.Number, p.End.Unit, r))
	}
	return text
}

// format writes a value with so many digits that it does not look as if it met what it
// does not, or the other way round.
func format(v float64, unit string, r gate.Requirement) string {
	if unit == units.PerSecond && r.Metric == gate.MetricThroughput {
		unit = units.Requests
	}
	if unit == units.PerSecond && r.Metric == gate.MetricTokens {
		unit = units.Tokens
	}
	text := units.Format(v, unit)
	if v != r.Limit && text == units.Format(r.Limit, unit) {
		digits := "%.9g %s"
		if unit == units.Ratio {
			return fmt.Sprintf(digits, v*100, "%")
		}
		return strings.TrimSpace(fmt.Sprintf(digits, v, strings.TrimSuffix(unit, units.One)))
	}
	return text
}

// where says of what a point is.
func where(r gate.Requirement, p gate.Point) string {
	var all []string
	if p.Service != "" && r.Service == "" {
		all = append(all, p.Service)
	}
	if p.Config != "" {
		name := p.Config
		if p.Replicate > 0 {
			name += fmt.Sprintf(" r%d", p.Replicate)
		}
		all = append(all, name)
	}
	if p.Step != "" {
		all = append(all, p.Step)
	}
	return strings.Join(all, ", ")
}

// regressionLine tells a figure that is, or may be, worse than the baseline's.
func (o Outcome) regressionLine(r gate.Regression) line {
	l := line{state: stateFailed, asks: regressionName(r), says: regressionSays(r)}
	if r.Met {
		l.state = stateWarned
	}
	return l
}

func regressionName(r gate.Regression) string { return named(r.Config+": "+r.Figure, r.Step) }

func regressionSays(r gate.Regression) string {
	if !r.Ratio.Known() {
		return r.Why
	}
	text := units.Format(*r.First.Number, r.Unit) + " to " + units.Format(*r.Other.Number, r.Unit) + ", " + units.Change(*r.Ratio.Number-1)
	if r.Low.Known() && r.High.Known() {
		text += fmt.Sprintf(" [%s, %s]", units.Change(*r.Low.Number-1), units.Change(*r.High.Number-1))
	}
	if r.Why != "" {
		text += "; " + r.Why
	}
	return text
}

// printable puts a space for white space of any sort, and U+FFFD for what steers a
// terminal or the direction of writing.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
