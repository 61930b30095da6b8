package main

import (
	"fmt"
	"io"
	"time"

	"github.com/evabench/evabench/analysis/search"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition/backends/nvidia"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/sim"
)

// What a sweep takes beside its load is not known before it; these are assumed, and
// said to be.
const (
	// startsIn is how long servers of a cell take until they answer rightly: a vLLM
	// loads 16 GB of weights and compiles in two to four minutes.
	startsIn = 3 * time.Minute
	// switchesIn is how long a layout takes to be applied, and to be put back.
	switchesIn = 20 * time.Second
)

// A quote is what a sweep takes, on the clock.
type quote struct {
	load   time.Duration // known but for what outlasts windows, or of a search its bound
	most   time.Duration // with all that is assumed, and all that load may outlast windows
	starts bool          // servers are started
	gpus   int           // real ones that are taken
	bound  bool          // load is what a search takes at most
	known  bool          // false: a search whose end is not known
}

// quote works out what a sweep of the scenario takes, or what is left of one.
func (b *bench) quote() quote {
	q := quote{known: true}
	cells := time.Duration(len(b.left()))
	each, cool, warm := time.Duration(0), time.Duration(0), time.Duration(0)
	switch s := b.scenario.Search; {
	case s == nil:
		for _, p := range b.scenario.StepPlans() {
			each, cool = each+p.Warmup+p.Window, cool+p.Cooldown
		}
	case s.Budget > 0:
		each, q.bound = s.Budget, true
	default:
		quoted, err := search.Quote(b.searchEnvironment())
		each, q.known = quoted, err == nil
	}
	for _, s := range b.scenario.Services {
		warm = max(warm, s.Warm+s.Warm/2) // rounds, and then each instance alone
		if l, err := b.kinds.launchers.Build(s.Launcher); err == nil {
			_, patient := l.(services.Patient)
			q.starts = q.starts || patient
		}
	}
	q.load = each * cells
	if b.simulated.scale > sim.MinScale {
		a := sim.Accelerate(b.simulated.scale)
		q.load, cool, warm = a.OnClock(q.load), a.OnClock(cool), a.OnClock(warm)
	}
	q.most = q.load + (cool+warm)*cells
	if q.starts {
		q.most += startsIn * cells
	}
	if b.scenario.Server.Backend.Name == nvidia.Kind.Name {
		q.gpus = len(b.scenario.Server.GPUs)
		q.most += 2 * switchesIn * cells
	}
	return q
}

// text tells what the sweep takes.
func (q quote) text(simulated bool) string {
	load := "under load " + loadSpan(q.load)
	if q.bound {
		load = "under load at most " + loadSpan(q.load)
	}
	if !q.known {
		load = "how long it is under load is known at its end (search.budget bounds it)"
	}
	text := fmt.Sprintf("the sweep takes: %s; with warm-up and cool-down", load)
	if q.starts {
		text = fmt.Sprintf("the sweep takes: %s; with warm-up, cool-down and starts (assumed: %s a cell)", load, loadSpan(startsIn))
	}
	text += " up to " + loadSpan(q.most)
	switch {
	case q.gpus > 0:
		text += fmt.Sprintf(": %s GPU-hours on %s", units.Fixed(q.most.Hours()*float64(q.gpus), 1), units.Plural(q.gpus, "GPU"))
	case simulated:
		text += ", and no GPU"
	}
	return text
}

// printQuote tells what the sweep takes, and what to do next.
func (b *bench) printQuote(w io.Writer, file string) error {
	_, err := fmt.Fprintf(w, `%s
next:
  evabench doctor %s
  evabench sweep %s --dry-run
  evabench sweep %s
`, b.quote().text(b.simulated.server != ""), file, file, file)
	return err
}

// loadSpan writes a span for people: to the second under five minutes, unless it is some
// minutes, else to the minute.
func loadSpan(d time.Duration) string {
	switch {
	case d < 2*time.Minute, d < 5*time.Minute && d.Round(time.Second)%time.Minute != 0:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Round(time.Minute).Minutes())%60)
}
