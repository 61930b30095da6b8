package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// A published is what MPS did to one model without MIG in EVA's table "MIG and
// MPS by model", in requests a second.
type published struct {
	name          string
	models        []string // as scenarios and the simulator call it
	without, with float64
}

// table is EVA's, with its row of all four.
func table() []published {
	return []published{
		{"RT-DETRv2", []string{"rt-detrv2-r50", "rt-detrv2"}, 4.337, 4.490},
		{"OWLv2", []string{"owlv2", "owl-v2"}, 5.597, 7.447},
		{"OmDet", []string{"omdet-turbo", "omdet"}, 10.953, 11.120},
		{"LLMDet", []string{"llmdet"}, 2.883, 2.923},
		{"all four", []string{total}, 23.770, 25.980},
	}
}

// verdict is the check in one line.
func (c *check) verdict(proofs []proof) string {
	where := map[string]string{onGPU: "on " + c.card(), onCPU: "WITHOUT A GPU", onSim: "SIMULATED (" + c.sim + ")"}[c.form]
	n := count(proofs, failed)
	word := "passed"
	switch {
	case n > 0:
		word = "FAILED"
	case slices.ContainsFunc(c.parts, func(p partRun) bool { return p.leftOut != "" }):
		word = "INCOMPLETE"
	}
	text := fmt.Sprintf("gpu-check %s: %s: %d shown, %d not shown, %d failed, in %.0f s", word, where, count(proofs, shown), count(proofs, notShown), n, c.took().Seconds())
	if c.form == onGPU && c.noMPS != "" {
		text += "; NOTHING WAS RUN UNDER MPS"
	}
	return text
}

func (c *check) card() string {
	if len(c.before.state.GPUs) == 0 {
		return "no card"
	}
	return c.before.state.GPUs[0].Name
}

// took is how long the check has run, fixed when it was judged.
func (c *check) took() time.Duration {
	if c.ended.IsZero() {
		return time.Since(c.began)
	}
	return c.ended.Sub(c.began)
}

func proofLines(proofs []proof) string {
	var b strings.Builder
	for _, p := range proofs {
		fmt.Fprintln(&b, p)
	}
	return b.String()
}

// evidence writes evidence.md.
func (c *check) evidence(proofs []proof, dropped []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# GPU check\n\n%s\n\n", c.verdict(proofs))
	switch c.form {
	case onCPU:
		fmt.Fprintf(&b, "**No GPU: small models on processors. Nothing here was measured on a card.** %s\n\n", c.noGPU)
	case onSim:
		fmt.Fprintf(&b, "**SIMULATED: every number was made by the simulated server %s.**\n\n", c.sim)
	default:
		if c.noMPS != "" {
			fmt.Fprintf(&b, "**Nothing was run under MPS: %s.**\n\n", c.noMPS)
		}
	}
	fmt.Fprintf(&b, "- Begun: %s\n", c.began.UTC().Format(time.RFC3339))
	for _, line := range c.machine() {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	b.WriteString("- The detectors and the VLM are reference workers with random weights: they cost what such models cost. They are not EVA's.\n\n")
	b.WriteString("## What was shown\n\n| result | claim | what tells so |\n| --- | --- | --- |\n")
	for _, p := range proofs {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.result, p.claim, cell(p.why))
	}
	c.facts.writeLadder(&b)
	c.facts.writeModels(&b)
	c.facts.writeVLM(&b)
	c.facts.writeReadings(&b)
	c.facts.writeFailover(&b)
	c.writeTimes(&b)
	b.WriteString("\n## What surprised\n\n(for a person to write)\n")
	if len(dropped) > 0 {
		fmt.Fprintf(&b, "\n## Left out of the archive for its size\n\n")
		for _, name := range dropped {
			fmt.Fprintf(&b, "- %s\n", name)
		}
	}
	return b.String()
}

// machine tells of what it ran on.
func (c *check) machine() []string {
	lines := append([]string{}, c.versions...)
	for _, g := range c.before.state.GPUs {
		lines = append(lines, fmt.Sprintf("Card: %s, %s; driver %s, CUDA %s", g.Name, g.UUID, c.before.state.System.Driver, c.before.state.System.CUDA))
	}
	if os.Geteuid() == 0 {
		return append(lines, "Run as root.")
	}
	return append(lines, "Run without root.")
}

// cell makes a text fit for a table's cell.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "|", `\|`), "\n", " ")
}

// writeLadder tells of the calibration: each model alone, then the ladder.
func (f facts) writeLadder(b *strings.Builder) {
	b.WriteString("\n## One request at a time, and a short ladder\n\n")
	cells := f.parts[calibrate].done()
	if len(cells) == 0 {
		b.WriteString("Not measured.\n")
		return
	}
	b.WriteString("One service, one process of each model, time-slicing. With one user each request is alone on the device.\n\n| users | model | completed in a second | mean latency (s) | n | objectives |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, s := range cells[0].Steps {
		for _, service := range s.Services {
			var unmet []string
			for _, o := range service.SLO {
				if o.Result != analysis.Met {
					unmet = append(unmet, o.Clause.Text+": "+o.Result)
				}
			}
			if len(unmet) == 0 && len(service.SLO) > 0 {
				unmet = []string{"met"}
			}
			for _, m := range service.Models {
				fmt.Fprintf(b, "| %g | %s | %s | %s | %d | |\n", service.Level.Value, m.Name, number(m.Throughput), number(m.Latency.Mean), m.Latency.N)
			}
			t := service.Total
			fmt.Fprintf(b, "| %g | all | %s | %s | %d | %s |\n", service.Level.Value, number(t.Throughput), number(t.Latency.Mean), t.Latency.N, strings.Join(unmet, "; "))
		}
	}
}

// writeModels sets what MPS did to each model beside the published table.
func (f facts) writeModels(b *strings.Builder) {
	b.WriteString("\n## What MPS did to each model, beside EVA's table\n\n")
	b.WriteString("EVA's table: one GPU without MIG, requests a second without and with MPS, the sum +9.3 %. Here: four users of each\nmodel who never pause, thread percentage 100. The change is of pairs of cells (mean of the logarithms of their\nratios) with its 95 % interval by Student's t.\n\n")
	b.WriteString("| model | EVA: without, with | EVA's change | here: ts | here: mps | change here [95 %] | pairs | with the VLM beside |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	alone, beside := f.parts[together].done(), f.parts[withVLM].done()
	for _, row := range table() {
		fmt.Fprintf(b, "| %s | %.3f, %.3f | %+.1f %% | %s | %s |\n", row.name, row.without, row.with, 100*(row.with/row.without-1), change(alone, row, true), change(beside, row, false))
	}
	m := f.parts[together]
	if m.summary == nil || len(m.summary.Comparison) == 0 {
		return
	}
	for _, r := range m.summary.Comparison[0].Rows {
		if len(r.Verdicts) > 0 {
			fmt.Fprintf(b, "\nNot valid in %s: %s.\n", r.Config, strings.Join(r.Verdicts, "; "))
		}
	}
}

// change tells of one row: its rates and their change, or the change alone.
func change(cells []analysis.Cell, row published, inFull bool) string {
	base, changed := rates(cells, "ts", 0), rates(cells, "mps", 0)
	for _, model := range row.models {
		p, ok := pair(base[model], changed[model])
		switch {
		case ok && inFull:
			return fmt.Sprintf("%.2f | %.2f | %s | %d", p.base, p.changed, p.text(), p.n)
		case ok:
			return p.text()
		case inFull && len(base[model]) > 0:
			var sum float64
			for _, v := range base[model] {
				sum += v
			}
			return fmt.Sprintf("%.2f | not measured | not shown | 0", sum/float64(len(base[model])))
		}
	}
	if inFull {
		return "not measured | not measured | not shown | 0"
	}
	return "not shown"
}

// writeVLM tells of the VLM beside the detectors.
func (f facts) writeVLM(b *strings.Builder) {
	b.WriteString("\n## The VLM beside the detectors\n\n")
	m := f.parts[withVLM]
	if m.summary == nil || len(m.summary.Comparison) == 0 {
		b.WriteString("Not measured.\n")
		return
	}
	b.WriteString("| configuration | VLM responses in an hour | mean latency (s) | Vision (req/s) | not valid |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range m.summary.Comparison[0].Rows {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", r.Config, number(r.VLMResponses.Mean), number(r.VLMLatency.Mean), number(r.Vision.Mean), strings.Join(r.Verdicts, "; "))
	}
}

func number(v analysis.Value) string {
	if !v.Known() {
		return "unknown: " + cell(v.Why)
	}
	return fmt.Sprintf("%.4g", *v.Number)
}

// writeReadings lists the gauges that were compared.
func (f facts) writeReadings(b *strings.Builder) {
	b.WriteString("\n## NVML and GPM with one user and at saturation\n\n")
	n := 0
	for _, prefix := range []string{"nvml:", "gpm:"} {
		list, err := f.movement(prefix)
		if err != nil {
			fmt.Fprintf(b, "%s could not be read: %v\n", prefix, err)
		}
		for _, m := range list {
			if n++; n == 1 {
				b.WriteString("| series | one user: mean (n) | saturated: mean (n) | means differ |\n| --- | --- | --- | --- |\n")
			}
			fmt.Fprintf(b, "| %s | %.5g %s (%d) | %.5g %s (%d) | %t |\n", m.name, m.rest.mean, m.rest.unit, m.rest.n, m.load.mean, m.load.unit, m.load.n, m.differs)
		}
	}
	if n == 0 {
		b.WriteString("No readings.\n")
	}
}

// writeFailover tells the stretches of the step in which an instance was killed.
func (f facts) writeFailover(b *strings.Builder) {
	b.WriteString("\n## The killed worker\n\n")
	cells, steps := f.failovers()
	if len(steps) == 0 {
		b.WriteString("Not measured.\n")
		return
	}
	b.WriteString("| sharing | stretch | seconds | service | ended | completed in a second | of the rate before | failed share |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for i, s := range steps {
		for _, stretch := range s.Failover.Stretches {
			for _, service := range stretch.Services {
				fmt.Fprintf(b, "| %s | %s | %.2f | %s | %d | %s | %s | %s |\n", cells[i].Cell.Config.Sharing, stretch.Name, stretch.Length, service.Name, service.Ended,
					number(service.Throughput), number(service.OfBefore), number(service.Failed))
			}
		}
		for _, e := range s.Failover.Events {
			if e.Kind == results.EventEnded {
				fmt.Fprintf(b, "\n%s ended: %s\n", e.Instance, cell(e.Text))
			}
		}
	}
}

func (c *check) writeTimes(b *strings.Builder) {
	b.WriteString("\n## Time\n\n| part | planned | took | |\n| --- | --- | --- | --- |\n")
	for _, p := range c.parts {
		fmt.Fprintf(b, "| %s | %.0f s | %.0f s | %s |\n", p.name, p.planned.Seconds(), p.took.Seconds(), cell(p.leftOut+p.fault))
	}
	fmt.Fprintf(b, "| all | at most %.0f s | %.0f s | |\n", c.limit.Seconds(), c.took().Seconds())
}
