package analysis

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/evabench/evabench/results"
)

// A Comparison sets the configurations side by side at one step, in the words
// of the published tables: VLM responses are the completed calls of the agent
// services, scaled to one hour; req/s and req/min count completed requests.
type Comparison struct {
	Index  int     `json:"index"`
	Step   string  `json:"step"`
	Window float64 `json:"window_seconds"` // of the first cell that has the step
	Rows   []Row   `json:"rows"`           // in the order in which the cells were first run
	// Base is the index in Rows of the row that the others are compared with:
	// the first with neither MIG nor MPS, else the first.
	Base    int      `json:"base"`
	Changes []Change `json:"changes"` // one for each row but the base
}

// A Row is one configuration at one step, over its replicates.
type Row struct {
	Config string `json:"config"`
	MIG    Use    `json:"mig"`
	MPS    Use    `json:"mps"`
	// Replicates is how many cells gave the step; Failed how many ended
	// otherwise than done.
	Replicates int `json:"replicates"`
	Failed     int `json:"failed"`
	// Answers is the raw number of VLM responses within the windows, all
	// replicates together.
	Answers int64 `json:"vlm_answers"`

	VLMResponses   Aggregate   `json:"vlm_responses_per_hour"`
	VLMLatency     Aggregate   `json:"vlm_latency_mean"`
	VisionRequests Aggregate   `json:"vision_requests"` // completed in the window
	Vision         Aggregate   `json:"vision_per_second"`
	Agent          Aggregate   `json:"agent_per_minute"`
	Models         []ModelRate `json:"models"` // of vision services, sorted
	// Verdicts holds what is not valid: "agent: client-limited".
	Verdicts []string `json:"verdicts,omitempty"`
	// Unmet lists the objectives that were not met, or not known to be, by
	// service and replicate; Objectives is how many there were.
	Unmet      []string `json:"unmet,omitempty"`
	Objectives int      `json:"objectives"`
}

// A ModelRate is one vision model's completed requests a second.
type ModelRate struct {
	Model string    `json:"model"`
	Rate  Aggregate `json:"per_second"`
}

// An Aggregate is a figure over the replicates that have it. With one
// replicate the spread is unknown: Min and Max are then without a number.
type Aggregate struct {
	N    int   `json:"n"`
	Mean Value `json:"mean"`
	Min  Value `json:"min"`
	Max  Value `json:"max"`
}

// A Change tells how a row's means differ from the base's, each as
// row ÷ base - 1.
type Change struct {
	Config       string `json:"config"`
	VLMResponses Value  `json:"vlm_responses"`
	VLMLatency   Value  `json:"vlm_latency"`
	Agent        Value  `json:"agent"`
	Vision       Value  `json:"vision"`
}

// A figure is one replicate's values for a Row.
type figure struct {
	answers, vision int64
	latency         []Value
	latencyN        []int64
	window          float64
	models          map[string]int64
	hasVLM, hasEyes bool
}

// compareCells makes one Comparison for each step index that any finished cell
// has. The steps of unfinished cells are compared with nothing: their
// configuration is not known.
func compareCells(cells []Cell) []Comparison {
	list := []Comparison{}
	configs := configsOf(cells)
	for index := range stepCount(cells) {
		c := Comparison{Index: index, Rows: []Row{}, Changes: []Change{}}
		for _, config := range configs {
			c.Rows = append(c.Rows, rowOf(cells, config, index, &c))
		}
		c.Base = max(slices.IndexFunc(c.Rows, func(r Row) bool { return r.MIG == UseNone && r.MPS == UseNone }), 0)
		base := c.Rows[c.Base]
		for i, row := range c.Rows {
			if i == c.Base {
				continue
			}
			c.Changes = append(c.Changes, Change{
				Config:       row.Config,
				VLMResponses: change(base.VLMResponses, row.VLMResponses),
				VLMLatency:   change(base.VLMLatency, row.VLMLatency),
				Agent:        change(base.Agent, row.Agent),
				Vision:       change(base.Vision, row.Vision),
			})
		}
		list = append(list, c)
	}
	return list
}

// stepCount counts the steps of the longest cell that is in configsOf.
func stepCount(cells []Cell) int {
	n := 0
	for _, c := range cells {
		if c.Cell.Config.Name == "" {
			continue
		}
		for _, s := range c.Steps {
			n = max(n, s.Index+1)
		}
	}
	return n
}

func configsOf(cells []Cell) []string {
	var names []string
	for _, c := range cells {
		name := c.Cell.Config.Name // empty if the cell was not finished
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// rowOf makes a configuration's row, and fills in the comparison's step and
// window from the first cell that tells them.
func rowOf(cells []Cell, config string, index int, of *Comparison) Row {
	row := Row{Config: config, MIG: UseUnknown, MPS: UseUnknown}
	var figures []figure
	for _, c := range cells {
		if c.Cell.Config.Name != config {
			continue
		}
		if row.MIG == UseUnknown {
			row.MIG, row.MPS = c.MIG, c.MPS
		}
		if c.Cell.Status != results.CellDone {
			row.Failed++
		}
		for _, s := range c.Steps {
			if s.Index != index {
				continue
			}
			if of.Step == "" {
				of.Step, of.Window = s.Name, s.Window
			}
			f := figureOf(s)
			figures = append(figures, f)
			row.Replicates++
			row.Answers += f.answers
			row.Verdicts = append(row.Verdicts, doubts(c, s)...)
			row.judge(c, s)
		}
	}
	row.fill(figures)
	return row
}

// judge adds a step's objectives to the row.
func (r *Row) judge(c Cell, s Step) {
	for _, service := range s.Services {
		for _, clause := range service.SLO {
			r.Objectives++
			if clause.Result != Met {
				r.Unmet = append(r.Unmet, fmt.Sprintf("%s r%d: %s: %s", service.Name, c.Cell.Replicate, clause.Clause.Text, clause.Result))
			}
		}
	}
}

func doubts(c Cell, s Step) []string {
	var list []string
	for _, service := range s.Services {
		if service.Verdict.Is != Valid {
			list = append(list, fmt.Sprintf("%s r%d: %s", service.Name, c.Cell.Replicate, service.Verdict.Is))
		}
	}
	return list
}

func figureOf(s Step) figure {
	f := figure{window: s.Window, models: map[string]int64{}}
	for _, service := range s.Services {
		switch service.Role {
		case results.RoleAgent:
			f.hasVLM = true
			f.answers += service.Total.Completed
			f.latency = append(f.latency, service.Total.Latency.Mean)
			f.latencyN = append(f.latencyN, service.Total.Latency.N)
		case results.RoleVision:
			f.hasEyes = true
			f.vision += service.Total.Completed
			for _, m := range service.Models {
				f.models[m.Name] += m.Completed
			}
		}
	}
	return f
}

// latencyMean is the mean over all ok calls of the agent services.
func (f figure) latencyMean() Value {
	var sum, n float64
	for i, v := range f.latency {
		if v.Known() {
			sum += *v.Number * float64(f.latencyN[i])
			n += float64(f.latencyN[i])
		}
	}
	if n == 0 {
		return unknown("s", "no call was ok")
	}
	return known(sum/n, "s")
}

func (r *Row) fill(figures []figure) {
	const noAgent, noVision = "no agent service", "no vision service"
	var responses, latency, agent, vision, requests []Value
	models := map[string][]Value{}
	for _, f := range figures {
		if f.hasVLM {
			responses = append(responses, known(float64(f.answers)*3600/f.window, "1"))
			agent = append(agent, known(float64(f.answers)*60/f.window, "1/min"))
			latency = append(latency, f.latencyMean())
		}
		if f.hasEyes {
			requests = append(requests, known(float64(f.vision), "1"))
			vision = append(vision, known(float64(f.vision)/f.window, "1/s"))
		}
		for name, n := range f.models {
			models[name] = append(models[name], known(float64(n)/f.window, "1/s"))
		}
	}
	if len(figures) == 0 {
		r.VLMResponses, r.Agent = aggregate(nil, "1", "not measured"), aggregate(nil, "1/min", "not measured")
		r.VLMLatency, r.Vision = aggregate(nil, "s", "not measured"), aggregate(nil, "1/s", "not measured")
		r.VisionRequests = aggregate(nil, "1", "not measured")
		r.Models = []ModelRate{}
		return
	}
	r.VLMResponses, r.Agent = aggregate(responses, "1", noAgent), aggregate(agent, "1/min", noAgent)
	r.VLMLatency = aggregate(latency, "s", noAgent)
	r.Vision, r.VisionRequests = aggregate(vision, "1/s", noVision), aggregate(requests, "1", noVision)
	r.Models = []ModelRate{}
	for name, rates := range models {
		r.Models = append(r.Models, ModelRate{name, aggregate(rates, "1/s", noVision)})
	}
	slices.SortFunc(r.Models, func(a, b ModelRate) int { return cmp.Compare(a.Model, b.Model) })
}

// aggregate takes the values that are known; why says why there are none.
func aggregate(values []Value, unit, why string) Aggregate {
	var numbers []float64
	for _, v := range values {
		if v.Known() {
			numbers = append(numbers, *v.Number)
		} else {
			why = v.Why
		}
	}
	if len(numbers) == 0 {
		none := unknown(unit, why)
		return Aggregate{Mean: none, Min: none, Max: none}
	}
	var sum float64
	for _, n := range numbers {
		sum += n
	}
	a := Aggregate{N: len(numbers), Mean: known(sum/float64(len(numbers)), unit)}
	if a.N == 1 {
		a.Min, a.Max = unknown(unit, "one replicate has no spread"), unknown(unit, "one replicate has no spread")
		return a
	}
	a.Min, a.Max = known(slices.Min(numbers), unit), known(slices.Max(numbers), unit)
	return a
}

func change(base, row Aggregate) Value {
	switch {
	case !base.Mean.Known() || !row.Mean.Known():
		return unknown("ratio", "one side is unknown")
	case *base.Mean.Number == 0:
		return unknown("ratio", "the base is zero")
	}
	return known(*row.Mean.Number / *base.Mean.Number - 1, "ratio")
}
