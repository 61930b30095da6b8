package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// metricChecks tell which of the documents' metrics the run could read.
func (c searched) metricChecks() []check {
	const item = "Metrics"
	step := c.last()
	var length, wait, latency, errors, gpu told
	for _, l := range c.capacity.Loads {
		v := serviceIn(step, l.Service)
		if v == nil {
			continue
		}
		depth, waited := v.Queue.Mean, analysis.Value{Why: "no server told of it"}
		for _, w := range v.Waiting {
			if w.Instance == "" {
				waited = w.Wait.Value
				if w.Depth.Known() {
					depth = w.Depth.Value
				}
			}
		}
		length.add(l.Service, "mean "+textOf(depth), depth.Known())
		wait.add(l.Service, "mean "+textOf(waited), waited.Known())
		latency.add(l.Service, "mean "+textOf(v.Total.Latency.Mean), v.Total.Latency.Mean.Known())
		errors.add(l.Service, fmt.Sprintf("%s of %s", units.Number(float64(v.Total.Due-v.Total.OK)), units.Number(float64(v.Total.Due))), v.Total.Due > 0)
	}
	if step != nil && step.Activity != nil {
		for _, d := range step.Activity.Devices {
			gpu.add(d.Device, "SM active "+textOf(d.SM), d.SM.Known())
		}
	}
	cpu := check{item, "CPU use", notShown, "the CPU of the servers' host while load runs, on the dashboard", ""}
	if step != nil && step.Client != nil {
		cpu.evidence += "; of the load generator itself: " + textOf(step.Client.Cores) + " cores"
	}
	if step != nil && step.Host != nil && step.Host.Busy.Known() && len(step.Host.Processes) > 0 {
		cpu.answer, cpu.where = checkedYes, "summary.json, host"
		cpu.evidence = "processors of the servers' host busy for " + textOf(step.Host.Busy)
		for _, p := range step.Host.Processes {
			cpu.evidence += "; " + p.Instance + ": " + textOf(p.Cores) + " cores"
		}
	}
	checks := []check{
		length.check(item, "queue length", notShown, "Steps, queues"), wait.check(item, "queue wait time", notShown, "Steps, queues"),
		latency.check(item, "end-to-end latency", notShown, "Steps"), errors.check(item, "errors", notShown, "Steps, arrivals"),
		gpu.check(item, "GPU use", notShown, "Devices"), cpu,
	}
	for i := range checks {
		if checks[i].evidence == "" {
			checks[i].evidence = "a collector that tells it"
		}
	}
	memory := c.peaks(item)
	memory.point = "GPU memory"
	return append(checks, memory)
}

// alertChecks name the rules that were written.
func (c searched) alertChecks(alerts *Alerts) []check {
	k := check{"Alerts", "rules at the measured boundary are written", checkedNo, "a confirmed load of a service whose engine has metrics", "alerts.yaml"}
	var names []string
	for _, g := range alerts.Groups {
		if !slices.ContainsFunc(c.capacity.Loads, func(l analysis.CapacityLoad) bool { return g.cell == c.cell.Cell.Folder && g.service == l.Service }) {
			continue
		}
		var of []string
		for _, r := range g.Rules {
			of = append(of, r.Alert)
		}
		if len(of) > 0 {
			names = append(names, g.service+": "+joined(of))
		}
	}
	if len(names) > 0 {
		k.answer, k.evidence = checkedYes, strings.Join(names, "; ")
	}
	return []check{k, {"Alerts", "the rules are loaded and reach somebody", notShown, "an alert that fired in a trial, from Prometheus to a person", ""}}
}

// loadChecks tell what the steps found: where queues grow, where clauses break, where
// memory runs out and clocks are held down.
func (c searched) loadChecks() []check {
	const item = "Stepwise load test"
	return []check{c.growth(item), c.breaks(item), c.exhaustion(item), c.throttling(item)}
}

// growth tells the smallest load at which a queue grew in a step.
func (c searched) growth(item string) check {
	k := check{item, "at what load the queue grows", notShown, "a step at a load that the server cannot keep up with", "How the capacity was found"}
	var told []string
	least := map[string]float64{}
	for _, p := range c.places() {
		if load := c.along(p); p.service.Verdict.Is == analysis.Saturated && !p.special() {
			has, ok := least[p.service.Name]
			if !ok {
				told = append(told, p.service.Name)
			}
			if !ok || load < has {
				least[p.service.Name] = load
			}
		}
	}
	for i, name := range told {
		told[i] = fmt.Sprintf("that of %s grew from %s %s", name, units.Number(least[name]), c.rayUnit(name))
	}
	if c.capacity.Saturation.Known() {
		told = append(told, c.saturation())
	}
	if len(told) > 0 {
		k.answer, k.evidence = checkedYes, strings.Join(told, "; ")
	}
	return k
}

// breaks tells for each clause the smallest load at which it was not met.
func (c searched) breaks(item string) check {
	k := check{item, "where the tail breaks the SLA", notShown, "", "How the capacity was found"}
	var clauses []string
	least := map[string]float64{}
	unit := map[string]string{}
	only := "" // in which steps else
	for _, p := range c.places() {
		for _, v := range p.service.SLO {
			if v.Result != analysis.NotMet || v.Clause.Quantile == 0 || !ofServer(p.service.Verdict) {
				continue
			}
			if p.special() {
				only = " but with heavy requests or in a spike"
				continue
			}
			text := p.service.Name + ": " + clauseText(v.Clause.Class, v.Clause.Text)
			load := c.along(p)
			if has, ok := least[text]; !ok || load < has {
				if !ok {
					clauses = append(clauses, text)
				}
				least[text], unit[text] = load, c.rayUnit(p.service.Name)
			}
		}
	}
	for _, text := range clauses {
		k.evidence += fmt.Sprintf("%s not met from %s %s; ", text, units.Number(least[text]), unit[text])
	}
	if len(clauses) > 0 {
		k.answer, k.evidence = checkedYes, strings.TrimSuffix(k.evidence, "; ")
	} else {
		k.evidence = "a step at which a percentile passes its limit: none did" + only
	}
	return k
}

// ofServer says whether a step's figures are the server's, steady or not, and neither
// ours nor none.
func ofServer(v analysis.Verdict) bool { return v.Measures() || v.Is == analysis.Unsteady }

// along is the load of the raised service in a place's step, or of the place's own.
func (c searched) along(p place) float64 {
	if v := serviceIn(&p.step, c.capacity.Raised); v != nil {
		return v.Level.Value
	}
	return p.service.Level.Value
}

// rayUnit is the unit of along, and whose load it is.
func (c searched) rayUnit(service string) string {
	of := cmp.Or(c.capacity.Raised, service)
	for _, l := range c.capacity.Loads {
		if l.Service == of {
			return l.Unit + " of " + of
		}
	}
	return "of " + of
}

func (c searched) exhaustion(item string) check {
	k := check{item, "where memory runs out", notShown, "instances whose answers, logs or ends tell of it", "Steps"}
	seen := false
	var answers, told int64 // often of the same time
	var at []string
	for _, step := range c.cell.Steps {
		seen = seen || step.OutOfMemory != nil
		before := answers + told
		for _, more := range step.OutOfMemory {
			told += more
		}
		for _, v := range step.Services {
			answers += v.Total.OutOfMemory()
		}
		if answers+told > before {
			at = append(at, stepName(step.Name, step.Index))
		}
	}
	switch {
	case len(at) > 0:
		k.answer, k.evidence = checkedYes, fmt.Sprintf("answers said so %s, and logs or ends of instances %s, in %s",
			units.Plural(int(answers), "time"), units.Plural(int(told), "time"), strings.Join(at, "; "))
	case seen:
		k.evidence = fmt.Sprintf("it did not in any of %s; a larger load or heavier payloads would show where it does", units.Plural(len(c.cell.Steps), "step"))
	}
	return k
}

func (c searched) throttling(item string) check {
	k := check{item, "where clocks are held down", notShown, "readings of NVML's clock event reasons on a real GPU", "Devices"}
	read := false
	var held []string
	for _, step := range c.cell.Steps {
		if step.Activity == nil {
			continue
		}
		for _, g := range step.Activity.GPUs {
			for _, r := range g.Reasons {
				if r.Name == "idle" || r.Name == "application clocks" || !r.Share.Known() {
					continue
				}
				read = true
				if *r.Share.Number > 0 {
					held = append(held, fmt.Sprintf("%s: %s of %s on %s", stepName(step.Name, step.Index), r.Name, units.Format(*r.Share.Number, units.Ratio), g.GPU))
				}
			}
		}
	}
	switch {
	case len(held) > briefLines:
		k.answer, k.evidence = checkedYes, strings.Join(held[:briefLines], "; ")+fmt.Sprintf("; and %d more", len(held)-briefLines)
	case len(held) > 0:
		k.answer, k.evidence = checkedYes, strings.Join(held, "; ")
	case read:
		k.answer, k.evidence = checkedYes, "nowhere in this run: no reason but idleness and application clocks held a clock down"
	}
	return k
}

// playbook proposes first actions for what fails first. None was tried.
func (c searched) playbook() check {
	actions := "limit the requests at once; make batches smaller; move load to another instance; give the service a larger profile; add a GPU"
	binding := c.capacity.Binding
	switch {
	case binding == "":
		actions = "what fails first is not known; in general: " + actions
	case strings.Contains(binding, "ttft"):
		actions = binding + " fails first: limit the requests at once and the length of prompts; keep prefill of long prompts from short ones; move load to another instance; give the service a larger profile"
	case strings.Contains(binding, "queue"):
		actions = binding + " fails first: refuse early above the allowed load; move load to another instance; add workers or a larger profile"
	case strings.Contains(binding, "errors"):
		actions = binding + " fails first: see the first fault of each outcome (Warnings); limit the requests at once; make batches smaller if memory runs out"
	default:
		actions = binding + " fails first: " + actions
	}
	k := check{"Overload playbook", "first actions", notShown, "proposed, not tried: " + actions, "Capacity, fails first"}
	if f := c.summary.Findings; f != nil && len(f.Playbook) > 0 {
		k.answer, k.where = checkedYes, "Findings, first actions; Capacity, fails first"
	}
	return k
}

// spikeFactor is by how much the documents' realism check raises one service.
const spikeFactor = 3

// spike looks for a step in which one service had at least three times its allowed
// load beside others at theirs.
func (c searched) spike() check {
	k := check{
		item: "Realism check", point: "one service at three times its load leaves its neighbours' SLA whole", answer: notShown,
		evidence: "a step with one service at three times its allowed load and the others at theirs", where: "Steps, objectives",
	}
	if len(c.capacity.Loads) < 2 {
		k.evidence = "there is no neighbour in this run"
		return k
	}
	for _, step := range c.cell.Steps {
		for _, l := range c.capacity.Loads {
			if !c.spikes(step, l) {
				continue
			}
			unmet, unknown := c.neighbours(step, l.Service)
			where := fmt.Sprintf("%s, steady for %s and not sudden: ", stepName(step.Name, step.Index), units.Format(step.Window, units.Seconds))
			switch {
			case len(unmet) > 0:
				k.answer, k.evidence = checkedNo, where+strings.Join(unmet, "; ")
				return k
			case len(unknown) > 0:
				if k.answer == notShown {
					k.evidence = where + strings.Join(unknown, "; ")
				}
			default:
				k.answer, k.evidence = checkedYes, where+"every clause of the others was met"
			}
		}
	}
	return k
}

// spikes says whether a step has the service at three times its allowed load, and
// the others at theirs or more.
func (c searched) spikes(step analysis.Step, l analysis.CapacityLoad) bool {
	if step.Failover != nil || !l.Signed.Known() {
		return false
	}
	for _, o := range c.capacity.Loads {
		v := serviceIn(&step, o.Service)
		factor := 1.0
		if o.Service == l.Service {
			factor = spikeFactor
		}
		if v == nil || !o.Signed.Known() || v.Level.Unit != o.Unit || v.Level.Value < factor**o.Signed.Number {
			return false
		}
	}
	return true
}

// neighbours lists the clauses of other services that were not met, and what is
// unknown: clauses, all of a service that the step does not measure, and of one that
// is asked for nothing. One that had more than its own allowed load may have missed a
// clause by that.
func (c searched) neighbours(step analysis.Step, service string) (unmet, unknown []string) {
	for _, v := range step.Services {
		switch {
		case v.Name == service:
			continue
		case len(v.SLO) == 0:
			unknown = append(unknown, v.Name+": it has no clause (services.S.slo)")
		case !ofServer(v.Verdict):
			unknown = append(unknown, fmt.Sprintf("%s: %s: %s", v.Name, v.Verdict.Is, v.Verdict.Why))
			continue
		}
		for _, k := range v.SLO {
			if k.Result == analysis.Met {
				continue
			}
			text := fmt.Sprintf("%s: %s: %s", v.Name, clauseText(k.Clause.Class, k.Clause.Text), cmp.Or(textOf(k.Value), k.Result))
			switch {
			case k.Result != analysis.NotMet:
				unknown = append(unknown, text)
			case c.above(v):
				unknown = append(unknown, fmt.Sprintf("%s, at %s, more than its own allowed load", text, levelText(v)))
			default:
				unmet = append(unmet, text)
			}
		}
	}
	return unmet, unknown
}

// above reports whether a service had more than its allowed load.
func (c searched) above(v analysis.Service) bool {
	return slices.ContainsFunc(c.capacity.Loads, func(l analysis.CapacityLoad) bool {
		return l.Service == v.Name && l.Signed.Known() && v.Level.Value > *l.Signed.Number
	})
}
