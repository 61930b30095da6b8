package progress

import (
	"slices"
	"time"

	"github.com/evabench/evabench/results"
)

// A State is what the events so far come to. The zero value is that before the first.
// It is one goroutine's.
type State struct {
	Sweep Sweep     `json:"sweep"`
	Begun time.Time `json:"begun"`
	Ended time.Time `json:"ended,omitzero"`
	// Status is empty while the sweep runs; Fault says why it is not done.
	Status string `json:"status,omitempty"`
	Fault  string `json:"fault,omitempty"`
	// Layout is what is being done to the GPUs; nil while a cell runs.
	Layout *LayoutState `json:"layout,omitempty"`
	// Cell is the one that runs; nil between two.
	Cell  *CellState `json:"cell,omitempty"`
	Cells []CellEnd  `json:"cells"` // that ended, in order
	Out   []CellEnd  `json:"left_out,omitempty"`
	Said  []SaidAt   `json:"said,omitempty"` // the last lines

	ran     time.Duration // of all the cells that were done
	since   time.Time     // the end of the cell before, or the sweep's begin
	spent   time.Duration // between cells, of those that began
	entered int           // cells that began
}

// A LayoutState is a phase of a layout.
type LayoutState struct {
	Layout string    `json:"layout"`
	Phase  string    `json:"phase"`
	Since  time.Time `json:"since"`
}

// A CellState is a cell that runs.
type CellState struct {
	Cell      string    `json:"cell"`
	Config    string    `json:"config"`
	Replicate int       `json:"replicate"`
	Begun     time.Time `json:"begun"`
	Phase     string    `json:"phase"`
	Since     time.Time `json:"since"` // of the phase
	Steps     int       `json:"steps"` // that ended
	// Step is the one that runs, or ran last; nil before the first.
	Step *StepState `json:"step,omitempty"`
}

// A StepState is a step that runs, or ran last.
type StepState struct {
	Step    int              `json:"step"`
	Plan    results.StepPlan `json:"plan"`
	Begun   time.Time        `json:"begun"`
	Over    bool             `json:"over"`
	Figures *Figures         `json:"figures,omitempty"` // the latest; nil before the first
}

// A CellEnd is a cell that ended or was left out.
type CellEnd struct {
	Cell    string  `json:"cell"`
	Status  string  `json:"status,omitempty"`
	Text    string  `json:"text,omitempty"`
	Seconds float64 `json:"seconds,omitempty"` // on the clock
}

// A SaidAt is a line for people.
type SaidAt struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// saidKept is how many of the last lines a State keeps.
const saidKept = 20

// Take takes the next event.
func (s *State) Take(e Event) {
	switch e.Kind {
	case SweepBegins:
		*s = State{Sweep: *e.Sweep, Begun: e.At, Cells: []CellEnd{}, since: e.At}
	case SweepEnds:
		s.Status, s.Fault, s.Ended, s.Cell, s.Layout = e.Status, e.Text, e.At, nil, nil
	case LayoutPhase:
		s.Layout = &LayoutState{e.Layout, e.Phase, e.At}
	case CellLeftOut:
		s.Out = append(s.Out, CellEnd{Cell: e.Cell, Text: e.Text})
	case CellBegins:
		s.spent, s.entered = s.spent+e.At.Sub(s.since), s.entered+1
		s.Layout, s.Cell = nil, &CellState{Cell: e.Cell, Config: e.Config, Replicate: e.Replicate, Begun: e.At, Since: e.At}
	case CellEnds:
		s.cellEnds(e)
	case Said:
		if s.Said = append(s.Said, SaidAt{e.At, e.Text}); len(s.Said) > saidKept {
			s.Said = slices.Clone(s.Said[len(s.Said)-saidKept:])
		}
	default:
		s.takeInCell(e)
	}
}

// takeInCell takes an event of the cell that runs; of another one it says nothing.
func (s *State) takeInCell(e Event) {
	c := s.Cell
	if c == nil || c.Cell != e.Cell {
		return
	}
	switch e.Kind {
	case CellPhase:
		c.Phase, c.Since = e.Phase, e.At
	case StepBegins:
		c.Step = &StepState{Step: *e.Step, Plan: *e.Plan, Begun: e.At}
	case StepRuns, StepEnds:
		if c.Step == nil || c.Step.Step != *e.Step {
			return
		}
		c.Step.Figures = e.Figures
		if e.Kind == StepEnds {
			c.Step.Over = true
			c.Steps++
		}
	}
}

func (s *State) cellEnds(e Event) {
	end := CellEnd{Cell: e.Cell, Status: e.Status, Text: e.Text}
	if s.Cell != nil && s.Cell.Cell == e.Cell {
		took := e.At.Sub(s.Cell.Begun)
		end.Seconds = took.Seconds()
		if e.Status == results.CellDone {
			s.ran += took
		}
	}
	s.Cells, s.Cell, s.since = append(s.Cells, end), nil, e.At
}

// Count gives how many cells ended in a status.
func (s *State) Count(status string) (n int) {
	for _, c := range s.Cells {
		if c.Status == status {
			n++
		}
	}
	return n
}

// ToRun is how many cells are run as far as is known: all but those left out so far.
func (s *State) ToRun() int { return len(s.Sweep.Cells) - len(s.Out) }

// Left gives how long the sweep still takes, on the clock, and false while nobody can
// know. Each cell that is left is taken to last as long as the mean of those that were
// done, what was spent between cells included; before the first was done, as long as its
// load is planned to last, which is too little by its start and its end.
func (s *State) Left(now time.Time) (time.Duration, bool) {
	if s.Begun.IsZero() || s.Status != "" || s.Count(results.CellInterrupted) > 0 {
		return 0, false
	}
	each, ok := s.perCell()
	if !ok {
		return 0, false
	}
	left := s.ToRun() - len(s.Cells)
	if left <= 0 {
		return 0, true
	}
	all := each * time.Duration(left)
	if s.Cell != nil {
		all -= min(now.Sub(s.Cell.Begun), each)
	}
	return max(0, all), true
}

// perCell is how long one cell is taken to last.
func (s *State) perCell() (time.Duration, bool) {
	if done := s.Count(results.CellDone); done > 0 {
		return s.ran/time.Duration(done) + s.spent/time.Duration(max(1, s.entered)), true
	}
	if s.Sweep.LoadSeconds > 0 {
		return time.Duration(s.Sweep.LoadSeconds * float64(time.Second)), true
	}
	return 0, false
}

// Share is how much of the sweep is over, 0 to 1, by cells, and by what is known of the
// one that runs.
func (s *State) Share(now time.Time) float64 {
	if s.ToRun() <= 0 {
		return 0
	}
	return min(1, (float64(len(s.Cells))+s.CellShare(now))/float64(s.ToRun()))
}

// CellShare is how much of the cell that runs is over, 0 to 1: by its steps where their
// number is known, else by the time that a cell is taken to last; 0 where neither is.
func (s *State) CellShare(now time.Time) float64 {
	c := s.Cell
	if c == nil {
		return 0
	}
	if n := s.Sweep.Steps; n > 0 {
		steps := float64(c.Steps)
		if c.Step != nil && !c.Step.Over && c.Step.Figures != nil {
			f := c.Step.Figures
			if whole := f.WarmupSeconds + f.WindowSeconds; whole > 0 {
				steps += min(1, f.IntoSeconds/whole)
			}
		}
		return min(1, steps/float64(n))
	}
	if each, ok := s.perCell(); ok && each > 0 {
		return min(1, now.Sub(c.Begun).Seconds()/each.Seconds())
	}
	return 0
}
