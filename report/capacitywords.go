package report

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// sentences state what a cell sustains: the search's own, and one for each service
// whose load is allowed and that the first does not speak of.
func (c searched) sentences() []string {
	a := c.capacity
	var told []string
	if a.Sentence != "" {
		told = append(told, c.cell.Cell.Folder+": "+a.Sentence)
	}
	for _, l := range a.Loads {
		if l.Signed.Known() && (a.Sentence == "" || l.Service != a.Raised) {
			told = append(told, c.cell.Cell.Folder+": "+c.sustains(l))
		}
	}
	return told
}

// sustains is the documents' sentence: "Service A sustains N RPS at p95 < X ms (and
// p99 < Y ms), with no errors and without queue growth."
func (c searched) sustains(l analysis.CapacityLoad) string {
	a := c.capacity
	text := "Service " + l.Service + " sustains " + amount(l.Signed, l.Unit)
	v := serviceIn(c.confirmation(false), l.Service)
	if v != nil {
		text += " (" + arrivalsText(v.Level.Arrivals) + ")"
		var at, more []string
		errors := ""
		for _, s := range v.SLO {
			clause := clauseText(s.Clause.Class, s.Clause.Text)
			switch s.Result {
			case analysis.Unknown:
				clause += " (NOT KNOWN: " + s.Value.Why + ")"
			case analysis.NotMet:
				clause += " (NOT MET: " + textOf(s.Value) + ")"
			}
			switch {
			case s.Result == analysis.Met && s.Clause.Metric == "errors" && s.Clause.Class == "" && s.Clause.Limit == 0:
				errors = "no errors"
			case s.Clause.Metric == "errors":
				more = append(more, clause)
			default:
				at = append(at, clause)
			}
		}
		if len(at) > 0 {
			text += " at " + strings.Join(at, " and ")
		}
		if errors != "" {
			more = append([]string{errors}, more...)
		}
		text += ", with " + strings.Join(append(more, queuesText(v)), " and ")
	}
	if l.Service == a.Raised && a.Low.Known() && a.High.Known() {
		text += fmt.Sprintf("; its capacity is %s, 95 %% interval %s to %s", amount(a.Estimate, l.Unit), loadText(a.Low), loadText(a.High))
	}
	text += "; " + c.confirmed()
	if beside := c.beside(l.Service); beside != "" {
		text += "; beside it: " + beside
	}
	return text + "."
}

// queuesText says that no queue grew. That of a closed loop cannot: its users wait.
func queuesText(v *analysis.Service) string {
	if g := v.Growth; g.Result == analysis.NotJudged && v.Level.Arrivals != "closed" {
		return "growth of queues not judged (" + g.Why + ")"
	}
	return "no queue that grows"
}

// arrivalsText says how requests come.
func arrivalsText(kind string) string {
	switch kind {
	case "closed":
		return "a closed loop"
	case "poisson":
		return "Poisson arrivals"
	}
	return kind + " arrivals"
}

// confirmed tells for how long the allowed load was held.
func (c searched) confirmed() string {
	var told []string
	for _, heavy := range []bool{false, true} {
		if step := c.confirmation(heavy); step != nil {
			text := "confirmed for " + units.Format(step.Window, units.Seconds)
			if heavy {
				text = "with heavy payloads for " + units.Format(step.Window, units.Seconds)
			}
			told = append(told, text)
		}
	}
	for _, k := range c.capacity.Confirmations {
		if k.Heavy && !k.Met {
			told = append(told, fmt.Sprintf("NOT met with heavy payloads at %s (%s)", units.Measure(k.Load), cmp.Or(k.Why, "it is not told why")))
		}
	}
	return cmp.Or(strings.Join(told, " and "), "not confirmed by a step")
}

// beside lists the loads of the other services.
func (c searched) beside(service string) string {
	var others []string
	for _, o := range c.capacity.Loads {
		if o.Service != service {
			others = append(others, o.Service+" at "+amount(o.Signed, o.Unit))
		}
	}
	return strings.Join(others, ", ")
}

// amount is a load with its unit.
func amount(v analysis.Value, unit string) string {
	if unit == "ratio" {
		return loadText(v) + " times the target loads"
	}
	return loadText(v) + " " + unit
}

func loadText(v analysis.Value) string {
	if !v.Known() {
		return units.Unknown
	}
	return units.Number(*v.Number)
}

// state tells how the search ended: what is known, and what to do next where that
// is not enough.
func (c searched) state() string {
	a := c.capacity
	bounds := c.bounds()
	next := ""
	switch a.State {
	case analysis.CapacityFound:
		if a.Signed.Known() {
			return a.State
		}
		bounds, next = "no confirmation met everything, so that no load is allowed", "confirm at a lower load, or give the search a larger budget"
		for _, k := range a.Confirmations {
			bounds += fmt.Sprintf("; at %s: %s", units.Measure(k.Load), cmp.Or(k.Why, "it is not told why"))
		}
	case analysis.CapacityNever:
		next = "begin lower (search.from), ask less of that clause, or give the service more of the GPU"
	case analysis.CapacityAlways:
		next = "allow more load (search.most); the capacity lies above"
	case analysis.CapacityCliff:
		next = "sign no more than what was met; see what the server changes between the two (a full queue, a timeout, memory that runs out)"
	case analysis.CapacityNonMonotone:
		next = "something beside the load decides: see Warnings and the GPU's clocks, and run it again"
	case analysis.CapacityDrift:
		next = "warm up for longer, see clocks and heat, and run it again"
	case analysis.CapacityUnfinished:
		next = "run it again with a larger budget (search.budget)"
		if a.Quoted.Known() {
			next += ": the quote was " + units.Format(*a.Quoted.Number, units.Seconds) + " of load"
		}
	case analysis.CapacityInvalid:
		next = "run evabench on a machine of its own or a larger one: see Integrity"
	}
	first, size := utf8.DecodeRuneInString(a.State)
	text := units.Unknown
	if size > 0 {
		text = string(unicode.ToUpper(first)) + a.State[size:]
	}
	if a.Why != "" && a.State != analysis.CapacityInvalid && a.State != analysis.CapacityUnfinished && a.State != analysis.CapacityFound {
		bounds = "" // the search says at which loads
	}
	for _, part := range []string{bounds, a.Why} {
		if part != "" {
			text += ": " + part
		}
	}
	if next != "" {
		text += ". Next: " + next + "."
	}
	return text
}

// bounds tells between which loads the capacity lies.
func (c searched) bounds() string {
	a := c.capacity
	var told []string
	if a.Above.Known() {
		told = append(told, "met at "+amount(a.Above, a.Unit))
	}
	if a.Below.Known() {
		told = append(told, "not met at "+amount(a.Below, a.Unit))
	}
	return strings.Join(told, ", ")
}
