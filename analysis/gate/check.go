package gate

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// Options say how requirements are judged. The zero Options judge every configuration by
// the points.
type Options struct {
	// Config is the configuration that requirements which name none are about; empty:
	// every one, but those that a race beat.
	Config string
	// Sure asks that the unfavourable end of a figure's 95 % interval meets the
	// requirement, too, of the figures that have one: percentiles of latency and the like,
	// and capacity. An end that is not known meets nothing.
	Sure bool
}

// A Result is what became of a requirement.
type Result struct {
	Requirement Requirement `json:"requirement"`
	Met         bool        `json:"met"` // by every point, of which there is at least one
	// Points are what was judged, one for each service, configuration, replicate and
	// step; Worst is the index of the one that tells most against it: a figure that
	// does not meet it, then one that is not known, then the one nearest to the limit.
	Points []Point `json:"points"`
	Worst  int     `json:"worst"`
}

// A Point is one figure that was judged.
type Point struct {
	Config    string `json:"config"`
	Replicate int    `json:"replicate,omitempty"` // 0 if the cell was not finished
	Step      string `json:"step,omitempty"`      // empty of a whole cell
	Service   string `json:"service,omitempty"`
	// Value is the figure, and End the unfavourable end of its interval: inapplicable
	// for a figure without one. Both are inapplicable of valid and slo.
	Value analysis.Value `json:"value"`
	End   analysis.Value `json:"end"`
	Met   bool           `json:"met"`
	// Beyond says that the figure lies beyond every limit, although it has no value.
	Beyond bool `json:"beyond_every_limit,omitempty"`
	// Why says why it does not meet the requirement where the value does not tell it, and
	// Note what the value must be read with.
	Why  string `json:"why,omitempty"`
	Note string `json:"note,omitempty"`
}

// Check judges a requirement on a run. The error is a *[Fault]: the requirement names
// something that the run does not have.
func Check(s *analysis.Summary, r Requirement, o Options) (Result, error) {
	c := checker{s: s, r: r, o: o}
	if err := c.known(); err != nil {
		return Result{}, err
	}
	out := Result{Requirement: r, Points: []Point{}}
	for _, config := range c.configs() {
		points, err := c.config(config)
		if err != nil {
			return Result{}, err
		}
		out.Points = append(out.Points, points...)
	}
	if len(out.Points) == 0 {
		why := "nothing was measured"
		if c.r.Metric == MetricSLO && len(c.services()) == 0 {
			why = "the scenario asks nothing: no service has an slo"
		}
		out.Points = []Point{c.unknown(Point{}, why)}
	}
	out.Met = true
	for i, p := range out.Points {
		out.Met = out.Met && p.Met
		if c.worse(p, out.Points[out.Worst]) {
			out.Worst = i
		}
	}
	return out, nil
}

type checker struct {
	s *analysis.Summary
	r Requirement
	o Options
}

func (c checker) fault(column int, what, hint string) error {
	return &Fault{Text: c.r.Text, Column: column, What: what, Hint: hint}
}

// known refuses names that the run does not have.
func (c checker) known() error {
	if all := Configs(c.s); c.r.Config != "" && !slices.Contains(all, c.r.Config) {
		return c.fault(0, fmt.Sprintf("the run has no configuration %q", cut(c.r.Config)), "its configurations: "+strings.Join(all, ", "))
	}
	var services []string
	for _, v := range c.s.Environment.Services {
		services = append(services, v.Name)
	}
	if c.r.Service != "" && !slices.Contains(services, c.r.Service) {
		return c.fault(c.r.column, fmt.Sprintf("the run has no service %q", cut(c.r.Service)), "its services: "+strings.Join(services, ", "))
	}
	if c.r.Step == "" {
		return nil
	}
	var steps []string
	for _, cell := range c.s.Cells {
		for _, step := range cell.Steps {
			if c.named(step) {
				return nil
			}
			name := fmt.Sprintf("%d", step.Index)
			if step.Name != "" {
				name += fmt.Sprintf(" (%s)", step.Name)
			}
			if !slices.Contains(steps, name) {
				steps = append(steps, name)
			}
		}
	}
	return c.fault(c.r.at, fmt.Sprintf("the run has no step %q", cut(c.r.Step)), "its steps: "+cmp.Or(strings.Join(steps, ", "), "none"))
}

func (c checker) named(s analysis.Step) bool {
	return s.Name == c.r.Step || strconv.Itoa(s.Index) == c.r.Step
}

// Configs names the configurations of a run in the order of running, those too of which
// no cell was finished, or begun.
func Configs(s *analysis.Summary) []string {
	var all []string
	for _, c := range s.Cells {
		all = append(all, configOf(c.Cell.Config.Name, c.Cell.Folder))
	}
	for _, folder := range s.Missing {
		all = append(all, configOf("", folder))
	}
	var once []string
	for _, name := range all {
		if name != "" && !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}

var folderPattern = regexp.MustCompile(`^[0-9]+-(.*)-r[0-9]+$`)

// configOf gives a cell's configuration, which a cell that was not finished tells by the
// name of its folder alone.
func configOf(name, folder string) string {
	if m := folderPattern.FindStringSubmatch(folder); name == "" && m != nil {
		return m[1]
	}
	return name
}

// configs lists those that the requirement is about.
func (c checker) configs() []string {
	if one := cmp.Or(c.r.Config, c.o.Config); one != "" {
		return []string{one}
	}
	return slices.DeleteFunc(Configs(c.s), func(name string) bool { return c.leftOut(name) })
}

// leftOut reports whether a race ended a configuration because it could not win.
func (c checker) leftOut(config string) bool { return c.s.Race.Beat(config) != "" }

// services lists those that the requirement is about: every one, or of objectives those
// that have some.
func (c checker) services() []string {
	if c.r.Service != "" {
		return []string{c.r.Service}
	}
	var all []string
	for _, v := range c.s.Environment.Services {
		if c.r.Metric != MetricSLO || len(v.SLO) > 0 {
			all = append(all, v.Name)
		}
	}
	return all
}

// config judges one configuration: every replicate and each of its steps.
func (c checker) config(config string) ([]Point, error) {
	var list []Point
	for _, cell := range c.s.Cells {
		if configOf(cell.Cell.Config.Name, cell.Cell.Folder) != config {
			continue
		}
		at := Point{Config: config, Replicate: cell.Cell.Replicate}
		if cell.Cell.Status != results.CellDone {
			why := "cell " + cell.Cell.Folder + " ended as " + cmp.Or(cell.Cell.Status, "not finished")
			if cell.Cell.Fault != "" {
				why += ": " + cell.Cell.Fault
			}
			list = append(list, c.unknown(at, why))
			continue
		}
		if c.r.Metric == MetricSigned && c.onlyOthersSign(config, cell) {
			continue
		}
		points, err := c.cell(cell, at)
		if err != nil {
			return nil, err
		}
		list = append(list, points...)
	}
	for _, folder := range c.s.Missing {
		seen := slices.ContainsFunc(c.s.Cells, func(cell analysis.Cell) bool { return cell.Cell.Folder == folder })
		if configOf("", folder) == config && !seen && !c.leftOut(config) {
			list = append(list, c.unknown(Point{Config: config}, "cell "+folder+" was not run"))
		}
	}
	return list, nil
}

// onlyOthersSign reports whether a race's cell was not to confirm a load, and another of the
// configuration was.
func (c checker) onlyOthersSign(config string, cell analysis.Cell) bool {
	if c.s.Race == nil || cell.Capacity == nil || len(cell.Capacity.Confirmations) > 0 {
		return false
	}
	return slices.ContainsFunc(c.s.Cells, func(o analysis.Cell) bool {
		return configOf(o.Cell.Config.Name, o.Cell.Folder) == config && o.Capacity != nil && len(o.Capacity.Confirmations) > 0
	})
}

// cell judges one replicate.
func (c checker) cell(cell analysis.Cell, at Point) ([]Point, error) {
	var list []Point
	for _, service := range c.services() {
		at.Service = service
		if is, _ := find(c.r.Metric); is.cell {
			p, err := c.capacity(cell, at)
			if err != nil {
				return nil, err
			}
			list = append(list, p)
			continue
		}
		before := len(list)
		for _, step := range c.steps(cell) {
			for _, v := range step.Services {
				if v.Name != service {
					continue
				}
				p := at
				p.Step = stepName(step)
				list = append(list, c.judge(v, p))
			}
		}
		if len(list) == before {
			list = append(list, c.unknown(at, c.noStep(cell)))
		}
	}
	return list, nil
}

// steps are those that the requirement is about: the one that it names, else every step
// of levels, or of a search the last confirmation that met everything. What fails over,
// spikes or looks for a boundary may miss what is asked.
func (c checker) steps(cell analysis.Cell) []analysis.Step {
	var list []analysis.Step
	for _, step := range cell.Steps {
		switch {
		case c.r.Step != "":
			if c.named(step) {
				list = append(list, step)
			}
		case step.Failover != nil:
		case step.Purpose == "", step.Purpose == results.PurposeConfirm && signedIn(cell, step.Index):
			list = append(list, step)
		}
	}
	return list
}

// signedIn reports whether a step is a confirmation at the signed load.
func signedIn(cell analysis.Cell, index int) bool {
	if cell.Capacity == nil || !cell.Capacity.Signed.Known() {
		return false
	}
	return slices.ContainsFunc(cell.Capacity.Confirmations, func(k analysis.Confirmation) bool {
		return k.Step == index && k.Met && k.Load == *cell.Capacity.Signed.Number
	})
}

// noStep says why there is none to judge.
func (c checker) noStep(cell analysis.Cell) string {
	switch {
	case c.r.Step != "":
		return "it has no step " + c.r.Step + " in which the service was driven"
	case cell.Capacity != nil || cell.Capacities != nil:
		return "the search confirmed no load; @STEP judges one of its steps"
	}
	return "it has no step of levels in which the service was driven"
}

func stepName(s analysis.Step) string {
	if s.Name == "" {
		return fmt.Sprintf("step %d", s.Index)
	}
	return s.Name
}

func (c checker) unknown(p Point, why string) Point {
	p.Value = analysis.Value{Unit: c.r.Unit, Why: why}
	p.End, p.Why = p.Value, why
	return p
}

// worse reports whether a tells more against the requirement than b.
func (c checker) worse(a, b Point) bool {
	rank := func(p Point) int {
		switch {
		case p.Met:
			return 3
		case p.Beyond:
			return 0
		case p.Value.Known() || p.Value.Inapplicable:
			return 1
		}
		return 2
	}
	if ra, rb := rank(a), rank(b); ra != rb {
		return ra < rb
	}
	x, y := a.Value, b.Value
	if !a.Met && a.End.Known() && b.End.Known() && c.o.Sure {
		x, y = a.End, b.End
	}
	if !x.Known() || !y.Known() {
		return false
	}
	if is, _ := find(c.r.Metric); is.more {
		return *x.Number < *y.Number
	}
	return *x.Number > *y.Number
}
