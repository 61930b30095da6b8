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
	// Factorials has each 2x2 of MIG and MPS that the rows form.
	Factorials []Factorial `json:"factorials,omitempty"`
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

	point point // where the row stands in the matrix
}

// A ModelRate is one vision model's completed requests a second.
type ModelRate struct {
	Model string    `json:"model"`
	Rate  Aggregate `json:"per_second"`
}

// An Aggregate is a figure over the replicates that have it. One replicate has
// no spread: Min and Max then do not apply.
type Aggregate struct {
	N    int   `json:"n"`
	Mean Value `json:"mean"`
	Min  Value `json:"min"`
	Max  Value `json:"max"`

	by map[int]told
}

// A Change tells how a row's means differ from the base's, each as
// row ÷ base - 1.
type Change struct {
	Config       string `json:"config"`
	VLMResponses Value  `json:"vlm_responses"`
	VLMLatency   Value  `json:"vlm_latency"`
	Agent        Value  `json:"agent"`
	Vision       Value  `json:"vision"`
	// Models are those that either row has, sorted.
	Models []ModelChange `json:"models,omitempty"`
}

// A ModelChange is the change of one vision model's completed requests a second.
type ModelChange struct {
	Model     string `json:"model"`
	PerSecond Value  `json:"per_second"`
}

// A figure is one replicate's values for a Row.
type figure struct {
	replicate       int
	answers, vision int64
	latency         []Value
	latencyN        []int64
	window          float64
	models          map[string]int64
	hasVLM, hasEyes bool
	unfit           bool
}

// compareCells makes one Comparison for each step index that any finished cell
// has, but for failovers and the steps of a search, whose loads each cell chooses for
// itself. The steps of unfinished cells are compared with nothing: their configuration is
// not known.
func compareCells(cells []Cell) []Comparison {
	list := []Comparison{}
	configs := configsOf(cells)
	for index := range stepCount(cells) {
		if failoverAt(cells, index) || searchedAt(cells, index) {
			continue
		}
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
				Models:       modelChanges(base.Models, row.Models),
			})
		}
		c.Factorials = factorials(c.Rows)
		list = append(list, c)
	}
	return list
}

// searchedAt reports whether a step of the index is of a search in any cell.
func searchedAt(cells []Cell, index int) bool {
	return slices.ContainsFunc(cells, func(c Cell) bool {
		return slices.ContainsFunc(c.Steps, func(s Step) bool { return s.Index == index && s.Purpose != "" })
	})
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
			row.point = pointOf(c)
		}
		if !c.Done() {
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
			f.replicate, f.unfit = c.Cell.Replicate, unfit(c, s) != ""
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

// fill aggregates the replicates' figures.
func (r *Row) fill(figures []figure) {
	var responses, latency, agent, vision, requests []told
	models := map[string][]told{}
	for _, f := range figures {
		tell := func(v Value) told { return told{f.replicate, v, 0, f.unfit} }
		count := func(n int64, scale float64, unit string) told {
			return told{f.replicate, known(float64(n)*scale/f.window, unit), 1 / float64(max(n, 1)), f.unfit}
		}
		if f.hasVLM {
			responses = append(responses, count(f.answers, 3600, "1"))
			agent = append(agent, count(f.answers, 60, "1/min"))
			latency = append(latency, tell(f.latencyMean()))
		}
		if f.hasEyes {
			requests = append(requests, tell(known(float64(f.vision), "1")))
			vision = append(vision, count(f.vision, 1, "1/s"))
		}
		for name, n := range f.models {
			models[name] = append(models[name], count(n, 1, "1/s"))
		}
	}
	none := func(what string) func(unit string) Value {
		if len(figures) == 0 {
			return func(unit string) Value { return unknown(unit, "not measured") }
		}
		return func(unit string) Value { return inapplicable(unit, what) }
	}
	noAgent, noVision := none("no agent service"), none("no vision service")
	r.VLMResponses, r.Agent = aggregate(responses, noAgent("1")), aggregate(agent, noAgent("1/min"))
	r.VLMLatency = aggregate(latency, noAgent("s"))
	r.Vision, r.VisionRequests = aggregate(vision, noVision("1/s")), aggregate(requests, noVision("1"))
	r.Models = []ModelRate{}
	for name, rates := range models {
		r.Models = append(r.Models, ModelRate{name, aggregate(rates, noVision("1/s"))})
	}
	slices.SortFunc(r.Models, func(a, b ModelRate) int { return cmp.Compare(a.Model, b.Model) })
}

// A told is what one replicate tells of a figure.
type told struct {
	replicate int
	value     Value
	grain     float64 // as that of a reading
	unfit     bool    // it is in the mean and in no interval: see [unfit]
}

// aggregate takes the values that are known. Without any, the mean is the last
// unknown one, or none if there are no values at all.
func aggregate(values []told, none Value) Aggregate {
	a := Aggregate{by: map[int]told{}}
	var numbers []float64
	for _, v := range values {
		if !v.value.Known() {
			none = v.value
			continue
		}
		numbers = append(numbers, *v.value.Number)
		a.by[v.replicate] = v
	}
	if len(numbers) == 0 {
		return Aggregate{Mean: none, Min: none, Max: none}
	}
	var sum float64
	for _, n := range numbers {
		sum += n
	}
	a.N, a.Mean = len(numbers), known(sum/float64(len(numbers)), none.Unit)
	a.Min, a.Max = spread(numbers, none.Unit)
	return a
}

// spread gives the least and the greatest of two or more numbers.
func spread(numbers []float64, unit string) (least, most Value) {
	switch len(numbers) {
	case 0:
		return unknown(unit, "no replicate tells it"), unknown(unit, "no replicate tells it")
	case 1:
		none := inapplicable(unit, "one replicate has no spread")
		return none, none
	}
	return known(slices.Min(numbers), unit), known(slices.Max(numbers), unit)
}

func change(base, row Aggregate) Value {
	for _, side := range []Value{base.Mean, row.Mean} {
		if !side.Known() {
			return Value{Unit: "ratio", Why: side.Why, Inapplicable: side.Inapplicable}
		}
	}
	if *base.Mean.Number == 0 {
		return unknown("ratio", "the base is zero")
	}
	return known(*row.Mean.Number / *base.Mean.Number - 1, "ratio")
}

func modelChanges(base, row []ModelRate) []ModelChange {
	var names []string
	for _, m := range slices.Concat(base, row) {
		names = append(names, m.Model)
	}
	slices.Sort(names)
	var list []ModelChange
	for _, name := range slices.Compact(names) {
		list = append(list, ModelChange{name, change(rateOf(base, name), rateOf(row, name))})
	}
	return list
}

func rateOf(models []ModelRate, name string) Aggregate {
	for _, m := range models {
		if m.Model == name {
			return m.Rate
		}
	}
	return Aggregate{Mean: unknown("1/s", "not measured")}
}
