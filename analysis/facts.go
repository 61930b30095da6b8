package analysis

import (
	"fmt"
	"iter"

	"github.com/evabench/evabench/results"
)

// Summarize makes the Summary of a run directory. It reads every sample and
// observation once, on as many processors as there are (GOMAXPROCS), and keeps in memory
// no more than the readings of as many cells, and the spans of as many steps, or of fewer
// where those have more than a million samples. A step of which a sample cannot be
// read, or a record does not fit the others, is left out, and told by a Warning of code
// [Damaged] with the file's path; so are observations that cannot be read.
// An error is our own mistake.
func Summarize(run *results.Run) (*Summary, error) {
	f := facts{environment: run.Environment, missing: run.Missing}
	for _, p := range run.Problems {
		code := "unreadable"
		if p.Damaged {
			code = Damaged
		}
		f.warnings = append(f.warnings, Warning{p.Path, results.Warning{Code: code, Text: p.Text, Count: 1}})
	}
	if n := len(run.Aside); n > 0 {
		f.warnings = append(f.warnings, warning("aside", CellsAside, asideText(n)))
	}
	for _, c := range run.Cells {
		cell := cellFacts{cell: c.Cell, layout: c.Layout, finished: c.Finished, observations: c.Observations()}
		for _, s := range c.Steps {
			if s.Step.Broken != "" {
				f.warnings = append(f.warnings, Warning{fmt.Sprintf("%s step %d", c.Cell.Folder, s.Step.Index), results.Warning{
					Code: StepBroken, Count: 1, Text: fmt.Sprintf("the step was broken off (%s): the %d arrivals until then are in %s, and in no figure", s.Step.Broken, s.Rows, s.Path())}})
				continue
			}
			cell.steps = append(cell.steps, stepFacts{s.Step, s.Samples(), s.Rows, s.Path()})
		}
		f.cells = append(f.cells, cell)
	}
	return summarize(f)
}

// StepBroken is the code of the warning that a step was not driven to its end, and is left
// out.
const StepBroken = "step-broken"

// facts are what a run directory gives, in the shape that the summary needs.
type facts struct {
	environment results.Environment
	cells       []cellFacts
	missing     []string
	warnings    []Warning // of reading
}

type cellFacts struct {
	cell         results.Cell
	layout       results.Layout
	finished     bool // without it, only cell.Folder is set
	steps        []stepFacts
	observations iter.Seq2[results.Observation, error]
}

type stepFacts struct {
	step    results.Step
	samples iter.Seq2[results.Sample, error]
	rows    int64  // samples; 0 if that is not known
	path    string // of the samples; empty if they lie in no file
}

// Judge tells what a step gave as soon as it was run, from what was recorded of its
// cell since the readings before it: what [Summarize] tells of it later, but for what
// only later readings show. The cell gives the floors of idle servers, if it has them;
// where it names no instances, r does.
func Judge(env results.Environment, cell results.Cell, r results.StepResult) (Step, error) {
	if len(cell.Instances) == 0 {
		cell.Instances = r.Instances
	}
	samples := func(yield func(results.Sample, error) bool) {
		for s := range r.Samples {
			if !yield(s, nil) {
				return
			}
		}
	}
	observations := func(yield func(results.Observation, error) bool) {
		for _, o := range r.Observations {
			if !yield(o, nil) {
				return
			}
		}
	}
	c := cellFacts{cell: cell, observations: observations, steps: []stepFacts{{step: r.Step, samples: samples}}}
	pages, _, err := readPages(c)
	if err != nil {
		return Step{}, err
	}
	return summarizeStep(env, cell, c.steps[0], neighboursOf(c.steps, 0), pages)
}
