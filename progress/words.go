package progress

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/units"
)

// Words tells the figures on one line: how far the step is, then each service.
func (f *Figures) Words() string {
	text := f.Where()
	for _, s := range f.Services {
		text += "; " + s.Service + " " + strings.Join(s.Words(), ", ")
	}
	if d := f.DeviceWords(); d != "" {
		text += "; " + d
	}
	return text
}

// Where tells how far the step is.
func (f *Figures) Where() string {
	whole := f.WarmupSeconds + f.WindowSeconds
	if f.Part == PartAfter {
		return fmt.Sprintf("window over for %s, waiting for its answers", span(f.IntoSeconds-whole))
	}
	return fmt.Sprintf("%s of %s, %s", span(f.IntoSeconds), span(whole), f.Part)
}

// Words tells a service's figures, without its name, one by one.
func (s ServiceFigures) Words() []string {
	parts := []string{fmt.Sprintf("offered %s, delivered %s", rate(s.Offered), rate(s.Delivered))}
	parts = append(parts, s.LatencyWords()...)
	parts = append(parts, fmt.Sprintf("%s unfinished", units.Number(float64(s.Unfinished))))
	if s.Queue != nil {
		parts = append(parts, "queue "+units.Number(*s.Queue))
	}
	return append(parts, s.FailedWords())
}

// EndWords tells what a step came to, of a service, without its name.
func (s ServiceFigures) EndWords() string {
	parts := []string{fmt.Sprintf("%s of %s ok", units.Number(float64(s.Done-s.Failed)), units.Number(float64(s.Done)))}
	if s.Failed > 0 {
		parts = append(parts, s.FailedWords())
	}
	return strings.Join(append(parts, s.LatencyWords()...), ", ")
}

// FailedWords tells how many arrivals failed, of how many that are done, and how.
func (s ServiceFigures) FailedWords() string {
	text := fmt.Sprintf("%s of %s failed", units.Number(float64(s.Failed)), units.Number(float64(s.Done)))
	if s.Failed == 0 {
		return text
	}
	var how []string
	for _, name := range slices.Sorted(maps.Keys(s.Outcomes)) {
		how = append(how, fmt.Sprintf("%s %s", units.Number(float64(s.Outcomes[name])), name))
	}
	return text + " (" + strings.Join(how, ", ") + ")"
}

// LatencyWords tells each clause of the SLO with its value so far, or without any the
// highest quantile that is known.
func (s ServiceFigures) LatencyWords() []string {
	var all []string
	for _, c := range s.Clauses {
		all = append(all, c.Words())
	}
	if len(all) > 0 {
		return all
	}
	for _, q := range slices.Backward(s.Quantiles) {
		if q.Seconds != nil {
			return []string{fmt.Sprintf("p%s %s", units.Number(math.Round(q.Quantile*1e6)/1e4), units.Format(*q.Seconds, units.Seconds))}
		}
	}
	return []string{"latency " + units.Unknown}
}

// Words tells a clause: its text, its value, and that it does not hold if so.
func (c Clause) Words() string {
	unit := c.Unit
	if unit == units.PerSecond {
		unit = "/s"
	}
	text := fmt.Sprintf("%s: %s", c.Text, units.FormatOr(c.Value, unit))
	if c.Holds != nil && !*c.Holds {
		text += " MISSED"
	}
	return text
}

// DeviceWords tells how busy each device is; empty where nothing is told.
func (f *Figures) DeviceWords() string {
	var all []string
	for _, d := range f.Devices {
		if text := d.Words(); text != "" {
			all = append(all, text)
		}
	}
	return strings.Join(all, ", ")
}

// Words tells a device with its name; empty where nothing of it is known.
func (d DeviceFigures) Words() string {
	var parts []string
	if d.Activity != nil {
		parts = append(parts, fmt.Sprintf("%.0f %%", *d.Activity*100))
	}
	if d.Memory != nil {
		parts = append(parts, units.Format(*d.Memory, units.Bytes))
	}
	if len(parts) == 0 {
		return ""
	}
	return d.Name + " " + strings.Join(parts, " ")
}

// Words tells where the sweep is: cells that ended, what became of those that were not
// done, and how long the rest takes.
func (s *State) Words(now time.Time) string {
	text := fmt.Sprintf("%d of %s", len(s.Cells), units.Plural(s.ToRun(), "cell"))
	for _, status := range []string{"failed", "interrupted"} {
		if n := s.Count(status); n > 0 {
			text += fmt.Sprintf(", %d %s", n, status)
		}
	}
	if n := len(s.Out); n > 0 {
		text += fmt.Sprintf(", %d left out", n)
	}
	switch left, ok := s.Left(now); {
	case s.Status != "":
		return text + ", " + s.Status
	case ok && left < time.Second && len(s.Cells) == s.ToRun():
		return text
	case ok:
		return text + ", about " + Span(left) + " left"
	}
	return text + ", " + Span(now.Sub(s.Begun)) + " so far"
}

// Doing tells what is being done now, in a few words.
func (s *State) Doing() string {
	switch {
	case s.Layout != nil:
		return phases[s.Layout.Phase] + " " + s.Layout.Layout
	case s.Cell == nil:
		return ""
	case s.Cell.Phase == "steps" && s.Cell.Step != nil && s.Cell.Step.Over:
		return "between steps"
	case phases[s.Cell.Phase] != "":
		return phases[s.Cell.Phase]
	}
	return s.Cell.Phase
}

// phases puts runner.PhaseBegins' names in words.
var phases = map[string]string{
	"apply": "applying", "restore": "putting back", "adapt": "making servers fit", "launch": "launching services",
	"warm": "warming up", "alone": "asking each service alone", "count": "checking how devices are shared",
	"steps": "driving load", "recount": "checking again how devices are shared", "stop": "stopping services",
}

func rate(perSecond *float64) string {
	if perSecond == nil {
		return units.Unknown
	}
	return units.Measure(*perSecond) + "/s"
}

// span writes seconds of a step.
func span(seconds float64) string { return Span(time.Duration(seconds * float64(time.Second))) }

// Span writes a span for a person who waits: whole seconds, whole minutes from an hour on.
func Span(d time.Duration) string {
	switch {
	case d >= time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%.0fs", d.Seconds())
}
