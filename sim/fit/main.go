// Command fit fits the simulated servers' parameters to published measurements
// and prints how well they meet them: the fitted rows, what each published row
// would have been predicted to be by all the others, and what other
// configurations come to, of which nothing is published.
//
// It changes no file unless it is told to: -write FILE writes the parameters.
// Think times, which belong to scenarios, are printed.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/evabench/evabench/scenarios"
)

// options are the flags.
type options struct {
	window time.Duration
	rounds int
	leave  bool
	write  string
	dir    string
}

func main() {
	var o options
	flag.DurationVar(&o.window, "window", 20*time.Minute, "server `TIME` of each run")
	flag.IntVar(&o.rounds, "rounds", 0, "fit anew in at most `N` rounds; 0 judges the parameters as they are")
	flag.BoolVar(&o.leave, "leave-one-out", true, "predict every published row from the others")
	flag.StringVar(&o.write, "write", "", "write the fitted parameters to `FILE`")
	flag.StringVar(&o.dir, "scenarios", "", "read the presets from `FOLDER` instead of those built in")
	flag.Parse()
	if err := fit(o); err != nil {
		fmt.Fprintln(os.Stderr, "fit:", err)
		os.Exit(1)
	}
}

// read gives the text of a preset.
func (o options) read(preset string) ([]byte, bool) {
	if o.dir == "" {
		return scenarios.Preset(preset)
	}
	data, err := os.ReadFile(filepath.Join(o.dir, preset+".yaml"))
	return data, err == nil
}

func fit(o options) error {
	all, err := rowsOf(o.window, o.read)
	if err != nil {
		return err
	}
	var known, rest []*row
	for _, r := range all {
		if len(r.targets) > 0 {
			known = append(known, r)
		} else {
			rest = append(rest, r)
		}
	}
	base := thinkTimes(all)
	free := freeParameters(base)
	p := newProblem(known, free, predictor(free, base))
	x := make([]float64, len(free))
	title := "Fitted rows, with the parameters as they stand"
	if o.rounds > 0 {
		title = "Fitted rows"
		tell := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
		if x, err = p.solve(x, o.rounds, tell); err != nil {
			return err
		}
	}
	printFree(p, x)
	if o.write != "" {
		if err := writeParameters(o.write, free, trialOf(free, x)); err != nil {
			return err
		}
	}
	figures, err := p.predict(x, all)
	if err != nil {
		return err
	}
	printRows(title, known, figures)
	if o.leave {
		left, err := p.leaveOneOut(x)
		if err != nil {
			return err
		}
		printRows(fmt.Sprintf("Each row predicted by a fit to all others (%d steps from the fit to all, pulled to what was believed before any fit)", chords), known, left)
	}
	printRows("Predicted: nothing is published", rest, figures)
	return nil
}
