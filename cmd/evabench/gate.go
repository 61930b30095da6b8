package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/gate"
	"github.com/evabench/evabench/report/gated"
)

// gateOptions are the flags of gate.
type gateOptions struct {
	require       []string
	config        string
	baseline      string
	maxRegression string
	sure          bool
	junit         string
}

func newGate(s streams) *cobra.Command {
	var o gateOptions
	c := &cobra.Command{
		Use:   "gate DIR --require REQUIREMENT… | --baseline DIR",
		Short: "Ask requirements of a run, for CI: the exit status says whether they are met",
		Long: `Gate reads a run directory and asks requirements of its figures:

  [CONFIG:]SERVICE.METRIC[@STEP] [OP LIMIT]

  vision.p95<=300ms          latency from when a request was due; p50 to p99.9, mean
  agent.ttft.p90<2s          first token; likewise tpot, session
  agent.throughput>=15req/min
  vision.errors<=1%          arrivals that did not end ok
  vision.queue<=4            mean number that wait at the servers
  agent.tokens/s>=100
  vision.capacity>=20        of a search; capacity.low: the interval's lower end;
                             signed: the load that was confirmed
  vision.valid, vision.slo   the verdict is valid; every objective is met. Without
                             a service: of all

A requirement is about every configuration (or one: CONFIG: or --config), every
replicate and every step of levels (or one: @STEP, a name or an index); steps that
fail over, spike or search for a boundary are left out, but for the confirmation
of the signed load; so are configurations that a race beat. Every one of them must
meet it. What is not known, not valid or was not run does not, and says why.
Arrivals that did not end ok count as later than any limit.

With --baseline, no figure may be shown to be worse than the same figure of that
run by more than --max-regression: the favourable end of the ratio's 95 % interval
lies beyond. What may be worse and is not shown to be is a warning. A configuration,
step or figure that the baseline measured and the run has not does not pass; one
that a race beat is a warning.

Exit status: 0 all are met, 3 one is not, 4 the run or the baseline has no valid
measurement, 2 a requirement is wrong or the runs cannot be compared, 1 a fault.`,
		Example: `  evabench gate runs/nightly --require 'vision.p95<=300ms' --require 'vision.capacity>=20'
  evabench gate runs/nightly --config recommended --require agent.slo --junit gate.xml
  evabench gate runs/nightly --baseline runs/last-release --max-regression 5%`,
		Args: one("run directory"),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("max-regression") && o.baseline == "" {
				return &usageError{errors.New("--max-regression says nothing without --baseline")}
			}
			return o.gate(args[0], s.out)
		},
	}
	c.Flags().StringArrayVar(&o.require, "require", nil, "a `REQUIREMENT`; may be given more than once")
	c.Flags().StringVar(&o.config, "config", "", "requirements that name no configuration are about `NAME`; \"recommended\" is the one that the report recommends")
	c.Flags().StringVar(&o.baseline, "baseline", "", "compare with the run in `DIR`")
	c.Flags().StringVar(&o.maxRegression, "max-regression", "5%", "with --baseline, how much worse a figure may be, as a `SHARE`")
	c.Flags().BoolVar(&o.sure, "sure", false, "the 95 % intervals must meet the requirements too, and a warning is a failure")
	c.Flags().StringVar(&o.junit, "junit", "", "write JUnit XML to `FILE`")
	return c
}

// errNotMet says that a gate's requirement is not met.
var errNotMet = errors.New("not all requirements are met")

// gate judges a run. It prints and writes what came out also where that is an error.
func (o *gateOptions) gate(dir string, stdout io.Writer) error {
	if len(o.require) == 0 && o.baseline == "" {
		return &usageError{errors.New("nothing is asked: give --require or --baseline")}
	}
	most, err := parseShare(o.maxRegression)
	if err != nil {
		return &usageError{fmt.Errorf("--max-regression %q: %w", o.maxRegression, err)}
	}
	requirements, err := o.requirements()
	if err != nil {
		return err
	}
	summary, _, err := document(dir)
	if err != nil {
		return err
	}
	damaged := damagedIn(dir, summary)
	out := gated.Outcome{Summary: summary, Most: most}
	if out.Results, err = o.results(summary, requirements); err != nil {
		return err
	}
	valid := summary.ValidSteps() > 0
	var unjudged error // what the baseline could not be compared for
	switch {
	case !valid:
		unjudged = fmt.Errorf("%s: %w", dir, errNoValid)
	case o.baseline != "":
		base, _, err := document(o.baseline)
		if err != nil {
			return fmt.Errorf("baseline: %w", err)
		}
		damaged = errors.Join(damaged, damagedIn(o.baseline, base))
		if base.ValidSteps() == 0 {
			unjudged = fmt.Errorf("baseline %s: %w", o.baseline, errNoValid)
			break
		}
		if (base.Environment.Simulated == "") != (summary.Environment.Simulated == "") {
			return &usageError{fmt.Errorf("of the baseline %s and %s one was simulated and one was measured: they cannot be compared", o.baseline, dir)}
		}
		out.Against, err = compared([]analysis.NamedSummary{{Name: o.baseline, Summary: base}, {Name: dir, Summary: summary}})
		if err != nil {
			return err
		}
		out.Regressions = gate.Regressions(out.Against, most, o.sure)
	}
	if o.baseline != "" && unjudged != nil {
		out.Unjudged = unjudged.Error()
	}
	if o.junit != "" {
		if err := writeFile(o.junit, out.JUnit); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(stdout, out.Text()); err != nil {
		return err
	}
	if unjudged != nil {
		return errors.Join(unjudged, damaged)
	}
	if failed, _ := out.Failed(); failed > 0 {
		return errors.Join(errNotMet, damaged)
	}
	return damaged
}

// requirements reads all, and tells the faults of all.
func (o *gateOptions) requirements() ([]gate.Requirement, error) {
	var list []gate.Requirement
	var faults []error
	for _, text := range o.require {
		r, err := gate.Parse(text)
		if err != nil {
			faults = append(faults, shown(err))
			continue
		}
		list = append(list, r)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, &usageError{err}
	}
	return list, nil
}

func (o *gateOptions) results(s *analysis.Summary, requirements []gate.Requirement) ([]gate.Result, error) {
	options := gate.Options{Sure: o.sure}
	var err error
	if options.Config, err = o.configOf(s); err != nil {
		return nil, &usageError{err}
	}
	var list []gate.Result
	var faults []error
	for _, r := range requirements {
		result, err := gate.Check(s, r, options)
		if err != nil {
			faults = append(faults, shown(err))
			continue
		}
		list = append(list, result)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, &usageError{err}
	}
	return list, nil
}

// shown tells a requirement's fault with its place.
func shown(err error) error {
	var fault *gate.Fault
	if errors.As(err, &fault) {
		return errors.New(fault.Show())
	}
	return err
}

// configOf gives the configuration that --config names; empty for every one.
func (o *gateOptions) configOf(s *analysis.Summary) (string, error) {
	all := gate.Configs(s)
	switch {
	case o.config == "":
		return "", nil
	case o.config == "recommended":
		return recommended(s)
	}
	for _, name := range all {
		if name == o.config {
			return name, nil
		}
	}
	return "", fmt.Errorf("--config: the run has no configuration %q; its configurations: %s, or recommended", o.config, strings.Join(all, ", "))
}

// recommended is the one configuration that is recommended, whatever the goal.
func recommended(s *analysis.Summary) (string, error) {
	if s.Recommendation == nil || len(s.Recommendation.Choices) == 0 {
		return "", errors.New("--config recommended: the run recommends none; name one")
	}
	name := s.Recommendation.Choices[0].Config
	var each []string
	same := true
	for _, c := range s.Recommendation.Choices {
		each = append(each, c.Config+" for "+c.Goal)
		same = same && c.Config == name
	}
	if !same {
		return "", fmt.Errorf("--config recommended: the run recommends %s; name one", strings.Join(each, ", "))
	}
	return name, nil
}

// parseShare reads "5%", "0.5 %".
func parseShare(text string) (float64, error) {
	number, has := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number)+"e-2", 64)
	if !has || err != nil || math.IsNaN(v) {
		return 0, errors.New("write a share such as 5%")
	}
	if !(v >= 0 && v < 1) {
		return 0, errors.New("a share is from 0% to below 100%")
	}
	return v, nil
}
