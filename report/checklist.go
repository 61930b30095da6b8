package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// The answers of the checklist. Nothing is answered with yes that the run did not
// show.
const (
	checkedYes = "yes"
	checkedNo  = "no"
	notShown   = "not shown"
)

// A check is one point of the checklist with its answer.
type check struct {
	item, point, answer string
	// evidence has the figures, or what would show the point; where says where they
	// stand.
	evidence, where string
}

// checklist fills the documents' pre-launch checklist from what the run showed, for
// each configuration.
func checklist(list []searched, alerts *Alerts) Section {
	t := Table{
		ID: "checklist", Title: "Before the first production traffic",
		Columns: []Column{words("Configuration"), words("Item"), words("Point"), words("Answer"), words("Evidence, or what would show it"), words("Where")},
		Notes:   []string{"yes and no are the run's own findings. Not shown: the run has nothing on it."},
	}
	for _, c := range signedOf(list) {
		checks := slices.Concat(c.agreed(), c.memoryChecks(), c.metricChecks(), c.alertChecks(alerts), c.loadChecks(), []check{c.playbook(), c.spike()})
		for _, k := range checks {
			t.Rows = append(t.Rows, []Cell{Text(cmp.Or(c.cell.Cell.Config.Name, c.cell.Cell.Folder)), Text(k.item), Text(k.point), Text(k.answer), Text(k.evidence), Text(k.where)})
		}
	}
	return Section{Title: "Checklist", Tables: []Table{t}}
}

// told puts what is known of services in a row: "vision: …; agent: …".
type told struct {
	texts   []string
	missing bool // for one of them at least
}

func (t *told) add(service, text string, known bool) {
	t.texts = append(t.texts, service+": "+text)
	t.missing = t.missing || !known
}

func (t *told) check(item, point, otherwise, where string) check {
	k := check{item, point, checkedYes, strings.Join(t.texts, "; "), where}
	if t.missing || len(t.texts) == 0 {
		k.answer = otherwise
	}
	return k
}

// last is the step that tells what a service did at the load that matters: the
// confirmation, or else the last.
func (c searched) last() *analysis.Step {
	if step := c.confirmation(false); step != nil {
		return step
	}
	if n := len(c.cell.Steps); n > 0 {
		return &c.cell.Steps[n-1]
	}
	return nil
}

// agreed is the list of services and what is asked of them.
func (c searched) agreed() []check {
	const item = "Services and SLAs"
	const byDefault = "(default)" // as analysis ends a clause that the scenario does not have
	var times, errors, timeouts told
	for _, l := range c.capacity.Loads {
		v := serviceIn(c.last(), l.Service)
		if v == nil {
			continue
		}
		var quantiles, rates []string
		agreed := false // on a rate of errors
		for _, k := range v.SLO {
			switch k.Clause.Metric {
			case "latency", "ttft":
				quantiles = append(quantiles, clauseText(k.Clause.Class, k.Clause.Text))
			case "errors":
				rates = append(rates, clauseText(k.Clause.Class, k.Clause.Text))
				agreed = agreed || !strings.HasSuffix(k.Clause.Text, byDefault)
			}
		}
		times.add(l.Service, cmp.Or(strings.Join(quantiles, ", "), "no clause on latency (services.S.slo)"), len(quantiles) > 0)
		errors.add(l.Service, cmp.Or(strings.Join(rates, ", "), "no clause on errors (services.S.slo)"), agreed)
		text := "not recorded"
		for _, s := range c.summary.Environment.Services {
			if s.Name == l.Service && s.Timeout > 0 {
				text = units.Format(s.Timeout.Seconds(), units.Seconds)
			}
		}
		timeouts.add(l.Service, text, text != "not recorded")
	}
	return []check{
		times.check(item, "response times", checkedNo, "Steps, objectives"),
		errors.check(item, "acceptable error rates", checkedNo, "Steps, objectives"),
		timeouts.check(item, "client timeouts, as in this run", notShown, "scenario.yaml"),
	}
}

// memoryChecks are of memory, batches and how many requests at once.
func (c searched) memoryChecks() []check {
	const item = "Memory estimate"
	sum := check{item, "model sizes against the memory of devices", notShown, "what each model needs (services.S.models.M.memory) is not told or was not recorded", "evabench scenario check"}
	if text := strings.TrimSpace(c.summary.Environment.Memory[c.cell.Cell.Config.Name]); text != "" {
		sum.answer, sum.evidence, sum.where = checkedYes, strings.Join(strings.Fields(text), " "), "summary.json, environment"
		switch { // as services.Fit writes it
		case strings.Contains(text, " too much"):
			sum.answer = checkedNo
		case strings.Contains(text, "takes is unknown"):
			sum.answer = notShown
		}
	}
	var batches, flight told
	for _, l := range c.capacity.Loads {
		text := c.parameters(l.Service)
		batches.add(l.Service, text, !strings.HasSuffix(text, units.Unknown))
		if v := serviceIn(c.last(), l.Service); v != nil {
			flight.add(l.Service, fmt.Sprintf("mean %s in flight, at most %s", textOf(v.InFlight), units.Number(float64(v.Integrity.PeakInFlight))), v.InFlight.Known())
		}
	}
	return []check{
		sum, c.peaks(item), batches.check(item, "batch sizes", notShown, "Capacity; Steps, queues"),
		flight.check(item, "requests at once", notShown, "Integrity"),
	}
}

// peaks are the most memory that was read as used on each device.
func (c searched) peaks(item string) check {
	k := check{item, "peaks under load", notShown, "readings of the devices' memory while load runs", "Devices"}
	var peaks told
	for _, d := range c.cell.Layout.Devices {
		used := false
		for _, i := range c.cell.Cell.Instances {
			used = used || i.Device == d.UUID
		}
		if !used {
			continue
		}
		most := analysis.Value{Unit: units.Bytes}
		for _, step := range c.cell.Steps {
			if step.Activity == nil {
				continue
			}
			for _, a := range step.Activity.Devices {
				if a.UUID == d.UUID && a.MemoryPeak.Known() && (!most.Known() || *a.MemoryPeak.Number > *most.Number) {
					most = a.MemoryPeak
				}
			}
		}
		peaks.add(d.Name, textOf(most)+" of "+memoryText(d.MemoryBytes), most.Known())
	}
	if len(peaks.texts) == 0 || peaks.missing {
		return k
	}
	return peaks.check(item, k.point, notShown, k.where)
}
