package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	guide "github.com/evabench/evabench/internal/published"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim/parameters"
	"github.com/evabench/evabench/sim/virtual"
)

// published is the tables of the EVA GPU MIG/MPS Optimization Guide.
type published struct {
	Tables []struct {
		ID     string         `json:"id"`
		Server string         `json:"server"`
		Rows   []publishedRow `json:"rows"`
	} `json:"tables"`
}

type publishedRow struct {
	MIG          bool               `json:"mig"`
	MPS          bool               `json:"mps"`
	VLMResponses float64            `json:"vlm_responses"`
	VLMLatency   float64            `json:"vlm_latency_seconds"`
	VisionRPS    float64            `json:"vision_rps"`
	TotalRPS     float64            `json:"total_rps"`
	ModelsRPS    map[string]float64 `json:"models_rps"`
}

// presets says which scenario stands for which published table.
var presets = map[string]string{"4.1": "pro5000x3", "5.1": "pro6000x1", "6": "mps-vision"}

// variants are configurations of hardware and layouts that no table has.
var variants = []struct {
	name, preset string
	replace      []string // in the preset's text, pairwise
}{
	{"half slices", "pro6000x1", []string{"4x1g.24gb", "2x2g.48gb"}},
	{"H100", "pro6000x1", []string{"server: pro6000x1", "server: h100x1", "4x1g.24gb", "4g.40gb+3g.40gb"}},
}

// A row is one cell of a preset, with the published figures if it has some.
type row struct {
	name    string // "5.1 off-ts"
	preset  string
	bench   *virtual.Bench
	cell    scenarios.Cell
	targets map[string]float64 // by figure; empty for a configuration that nobody published
}

// rowsOf gives every cell of the presets, published ones with their figures.
// Each has a Bench of its own, so that rows can be run side by side.
func rowsOf(window time.Duration, read func(preset string) ([]byte, bool)) ([]*row, error) {
	var tables published
	if err := json.Unmarshal(guide.EVA, &tables); err != nil {
		return nil, fmt.Errorf("read the published tables: %w", err)
	}
	var all []*row
	for _, t := range tables.Tables {
		preset := presets[t.ID]
		data, ok := read(preset)
		if !ok {
			return nil, fmt.Errorf("table %s: there is no preset %q", t.ID, preset)
		}
		first, err := virtual.Open(preset, data)
		if err != nil {
			return nil, err
		}
		matched := 0
		for i, c := range first.Cells {
			if c.Replicate != 1 {
				continue
			}
			r, err := newRow(t.ID+" "+c.Config.Name, preset, data, i, window)
			if err != nil {
				return nil, err
			}
			at := slices.IndexFunc(t.Rows, func(p publishedRow) bool {
				return p.MIG == (c.Config.Layout != "off") && p.MPS == (c.Config.Sharing == "mps")
			})
			if at >= 0 {
				r.targets = t.Rows[at].figures()
				matched++
			}
			all = append(all, r)
		}
		if matched != len(t.Rows) {
			return nil, fmt.Errorf("table %s: %d of %d rows are cells of preset %s", t.ID, matched, len(t.Rows), preset)
		}
	}
	unknown, err := variantRows(window, read)
	return append(all, unknown...), err
}

// variantRows gives every cell of the variants.
func variantRows(window time.Duration, read func(preset string) ([]byte, bool)) (all []*row, err error) {
	for _, v := range variants {
		data, ok := read(v.preset)
		if !ok {
			return nil, fmt.Errorf("%s: there is no preset %q", v.name, v.preset)
		}
		for i := 0; i < len(v.replace); i += 2 {
			if !strings.Contains(string(data), v.replace[i]) {
				return nil, fmt.Errorf("%s: preset %s has no %q", v.name, v.preset, v.replace[i])
			}
		}
		text := []byte(strings.NewReplacer(v.replace...).Replace(string(data)))
		first, err := virtual.Open(v.preset, text)
		if err != nil {
			return nil, err
		}
		for i, c := range first.Cells {
			r, err := newRow(v.name+" "+c.Config.Name, v.preset, text, i, window)
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// newRow opens a scenario's text for one of its cells.
func newRow(name, preset string, text []byte, cell int, window time.Duration) (*row, error) {
	b, err := virtual.Open(preset, text)
	if err != nil {
		return nil, err
	}
	if window > 0 {
		b.Scenario.Window = window
	}
	return &row{name: name, preset: preset, bench: b, cell: b.Cells[cell], targets: map[string]float64{}}, nil
}

// The figures of a row.
const (
	vlmResponses = "VLM responses"
	vlmLatency   = "VLM latency"
	visionRate   = "Vision"
)

func (p publishedRow) figures() map[string]float64 {
	f := map[string]float64{}
	for name, v := range map[string]float64{vlmResponses: p.VLMResponses, vlmLatency: p.VLMLatency, visionRate: p.VisionRPS + p.TotalRPS} {
		if v > 0 {
			f[name] = v
		}
	}
	for model, v := range p.ModelsRPS {
		f[model] = v
	}
	return f
}

// seeds is how many runs of other arrivals a figure is the mean of.
const seeds = 2

// run gives the model's figures of a row: responses an hour, seconds, requests
// a second. A published figure of which nothing came is an error.
func (r *row) run(p parameters.Set) (map[string]float64, error) {
	f := map[string]float64{}
	for seed := range uint64(seeds) {
		cell := r.cell
		cell.Seed += seed
		result, err := r.bench.Run(cell, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		seconds := result.Window.Seconds()
		for _, s := range result.Services {
			if s.Role == results.RoleAgent {
				f[vlmResponses] += float64(s.Completed) / seconds * 3600 / seeds
				f[vlmLatency] += s.Latency / seeds
				continue
			}
			f[visionRate] += float64(s.Completed) / seconds / seeds
			for model, n := range s.Models {
				f[model] += float64(n) / seconds / seeds
			}
		}
	}
	for name := range r.targets {
		if !(f[name] > 0) {
			return nil, fmt.Errorf("%s: no %s was answered", r.name, name)
		}
	}
	return f, nil
}
