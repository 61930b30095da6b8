// Command fit fits the simulated servers' parameters to published measurements
// and prints how well they meet them: what was fitted, what each published row
// would have been predicted to be by all the others, and what the presets'
// other configurations come to, of which nothing is published.
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

func main() {
	window := flag.Duration("window", time.Hour, "server `TIME` of each run")
	rounds := flag.Int("rounds", 0, "rounds of fitting, `N`; 0 judges the parameters as they are")
	leave := flag.Bool("leave-one-out", true, "predict every published row from the others")
	write := flag.String("write", "", "write the fitted parameters to `FILE`")
	dir := flag.String("scenarios", "", "read the presets from `FOLDER` instead of those built in")
	flag.Parse()
	read := scenarios.Preset
	if *dir != "" {
		read = func(preset string) ([]byte, bool) {
			data, err := os.ReadFile(filepath.Join(*dir, preset+".yaml"))
			return data, err == nil
		}
	}
	if err := fit(*window, *rounds, *leave, *write, read); err != nil {
		fmt.Fprintln(os.Stderr, "fit:", err)
		os.Exit(1)
	}
}

func fit(window time.Duration, rounds int, leave bool, write string, read func(string) ([]byte, bool)) error {
	all, err := rowsOf(window, read)
	if err != nil {
		return err
	}
	var known []*row
	for _, r := range all {
		if len(r.targets) > 0 {
			known = append(known, r)
		}
	}
	p := newProblem(known, freeParameters(), thinkTimes(all))
	x := make([]float64, len(p.free))
	tell := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	if rounds > 0 {
		if x, _, err = p.solve(x, rounds, tell); err != nil {
			return err
		}
		printFree(p, x)
	}
	if write != "" {
		if err := writeParameters(write, trialOf(p.free, x)); err != nil {
			return err
		}
	}
	figures, err := p.predict(x, all)
	if err != nil {
		return err
	}
	printRows("Fitted", known, figures)
	if leave {
		left, err := p.leaveOneOut(x)
		if err != nil {
			return err
		}
		printRows("Each row predicted from the others (leave one out)", known, left)
	}
	var rest []*row
	for _, r := range all {
		if len(r.targets) == 0 {
			rest = append(rest, r)
		}
	}
	printRows("Predicted: nothing is published", rest, figures)
	return nil
}
