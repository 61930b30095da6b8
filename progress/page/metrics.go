package page

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/progress"
	"github.com/evabench/evabench/results"
)

// metrics renders the state in Prometheus' text format 0.0.4. All are gauges: a step's
// counts begin anew with the next one. What is unknown has no line.
func (p *Page) metrics(now time.Time) ([]byte, error) {
	var m exposition
	s := &p.state
	if s.Begun.IsZero() {
		m.one("evabench_run_begun", "Whether the run has begun.", 0)
		return m.Bytes(), nil
	}
	m.one("evabench_run_begun", "Whether the run has begun.", 1)
	m.family("evabench_run_info", "What is run; simulated names the simulated server.")
	m.line(1, "scenario", s.Sweep.Scenario, "simulated", s.Sweep.Simulated, "version", s.Sweep.Evabench)
	m.one("evabench_run_ended", "Whether the run has ended.", truth(s.Status != ""))
	m.one("evabench_cells_planned", "Cells of the run.", float64(len(s.Sweep.Cells)))
	m.one("evabench_cells_left_out", "Cells that are not run, as far as is known.", float64(len(s.Out)))
	m.family("evabench_cells_ended", "Cells that ended, by how.")
	for _, status := range []string{results.CellDone, results.CellFailed, results.CellInterrupted} {
		m.line(float64(s.Count(status)), "status", status)
	}
	if left, ok := s.Left(now); ok {
		m.one("evabench_time_left_seconds", "How long the run still takes, from the cells so far.", left.Seconds())
	}
	if c := s.Cell; c != nil {
		m.family("evabench_cell_info", "The cell that runs, and what is done in it.")
		m.line(1, "cell", c.Cell, "config", c.Config, "phase", c.Phase)
		if c.Step != nil && c.Step.Figures != nil {
			m.step(c.Step)
		}
	}
	return m.Bytes(), nil
}

// An exposition is a page in the making.
type exposition struct {
	bytes.Buffer
	name string // of the family
}

// family begins a family of gauges.
func (m *exposition) family(name, help string) {
	m.name = name
	fmt.Fprintf(m, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
}

// line adds one gauge of the family, with pairs of label and value.
func (m *exposition) line(value float64, labels ...string) {
	m.WriteString(m.name)
	for i := 0; i < len(labels); i += 2 {
		sep := ","
		if i == 0 {
			sep = "{"
		}
		fmt.Fprintf(m, `%s%s="%s"`, sep, labels[i], escape.Replace(strings.ToValidUTF8(labels[i+1], "\ufffd")))
	}
	if len(labels) > 0 {
		m.WriteString("}")
	}
	m.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

// escape is the format's own for label values.
var escape = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func (m *exposition) one(name, help string, value float64) {
	m.family(name, help)
	m.line(value)
}

// each adds a family with a line for each service that f knows a value of.
func (m *exposition) each(name, help string, all []progress.ServiceFigures, f func(progress.ServiceFigures) *float64) {
	begun := false
	for _, s := range all {
		v := f(s)
		if v == nil {
			continue
		}
		if !begun {
			m.family(name, help)
			begun = true
		}
		m.line(*v, "service", s.Service)
	}
}

// step adds the figures of a step.
func (m *exposition) step(s *progress.StepState) {
	f := s.Figures
	m.one("evabench_step_index", "The step that runs, or ran last, from 0 in its cell.", float64(s.Step))
	m.one("evabench_step_over", "Whether that step is over.", truth(s.Over))
	m.one("evabench_step_into_seconds", "How far the step is, in the server's time.", f.IntoSeconds)
	m.one("evabench_step_warmup_seconds", "Its warm-up.", f.WarmupSeconds)
	m.one("evabench_step_window_seconds", "Its window.", f.WindowSeconds)
	m.each("evabench_offered_per_second", "Arrivals that fell due, over the last seconds.", f.Services,
		func(s progress.ServiceFigures) *float64 { return s.Offered })
	m.each("evabench_delivered_per_second", "Answers that were ok, over the last seconds.", f.Services,
		func(s progress.ServiceFigures) *float64 { return s.Delivered })
	m.each("evabench_unfinished_requests", "Arrivals that fell due and are not done.", f.Services,
		func(s progress.ServiceFigures) *float64 { v := float64(s.Unfinished); return &v })
	m.each("evabench_server_queue_requests", "Requests that the servers say wait.", f.Services,
		func(s progress.ServiceFigures) *float64 { return s.Queue })
	m.outcomes(f.Services)
	m.latency(f.Services)
	m.clauses(f.Services)
	m.devices(f.Devices)
}

func (m *exposition) outcomes(all []progress.ServiceFigures) {
	m.family("evabench_step_requests", "Arrivals of the step's warm-up or window that are done, by outcome.")
	for _, s := range all {
		m.line(float64(s.Done-s.Failed), "service", s.Service, "outcome", results.OK.String())
		for _, name := range slices.Sorted(maps.Keys(s.Outcomes)) {
			m.line(float64(s.Outcomes[name]), "service", s.Service, "outcome", name)
		}
	}
}

func (m *exposition) latency(all []progress.ServiceFigures) {
	m.family("evabench_latency_quantile_seconds", "Latency from due, of the arrivals that are done; failed ones count as slower than all.")
	for _, s := range all {
		for _, q := range s.Quantiles {
			if q.Seconds != nil {
				m.line(*q.Seconds, "service", s.Service, "quantile", strconv.FormatFloat(q.Quantile, 'g', -1, 64))
			}
		}
	}
}

func (m *exposition) clauses(all []progress.ServiceFigures) {
	each := func(f func(progress.Clause) *float64) {
		for _, s := range all {
			for _, c := range s.Clauses {
				if v := f(c); v != nil {
					m.line(*v, "service", s.Service, "clause", c.Text, "unit", c.Unit)
				}
			}
		}
	}
	m.family("evabench_slo_value", "What a clause of an SLO is about, so far.")
	each(func(c progress.Clause) *float64 { return c.Value })
	m.family("evabench_slo_limit", "The clause's limit.")
	each(func(c progress.Clause) *float64 { return &c.Limit })
	m.family("evabench_slo_holds", "Whether the clause holds so far. It is no verdict.")
	each(func(c progress.Clause) *float64 {
		if c.Holds == nil {
			return nil
		}
		v := truth(*c.Holds)
		return &v
	})
}

func (m *exposition) devices(all []progress.DeviceFigures) {
	m.family("evabench_device_activity_ratio", "How busy a device is, by its last reading.")
	for _, d := range all {
		if d.Activity != nil {
			m.line(*d.Activity, "device", d.Name, "uuid", d.UUID)
		}
	}
	m.family("evabench_device_memory_bytes", "The device's memory in use, by its last reading.")
	for _, d := range all {
		if d.Memory != nil {
			m.line(*d.Memory, "device", d.Name, "uuid", d.UUID)
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
