package report

import (
	"fmt"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// otherwise tells a change with its interval in a sentence's words.
func otherwise(v, low, high analysis.Value) string {
	text := aside(*v.Number)
	if low.Known() && high.Known() {
		text += fmt.Sprintf(" (95 %% interval: %s to %s)", aside(*low.Number), aside(*high.Number))
	}
	return text
}

// aside tells a change as how much more or less.
func aside(change float64) string {
	if change < 0 {
		return strings.TrimLeft(units.Change(change), "-") + " less"
	}
	return strings.TrimLeft(units.Change(change), "+") + " more"
}

// listed joins a few, and says how many more there are.
func listed(list []string, most int) string {
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

func and(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// sentencesOf makes a sentence of a text; none of an empty one.
func sentencesOf(text string) []string {
	if text == "" {
		return nil
	}
	text = titled(text)
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return []string{text}
}

// settled reports whether a choice needs no further measurement.
func settled(c analysis.Choice) bool { return c.Sure == analysis.Shown || c.Sure == analysis.Alone }
