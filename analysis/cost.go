package analysis

import (
	"slices"

	"github.com/evabench/evabench/results"
)

// A Cost is what a configuration takes of the server for what it gives, over its cells
// that were done. Rates are of the capacity where a search found one, else of the step
// with the most throughput that met every objective, or, if none did, of that with the
// most throughput among those that measure the server.
type Cost struct {
	Config string `json:"config"`
	// At says what the rates are of: "capacity", "step 2: 96 users".
	At string `json:"at"`
	// GPUs counts the parent GPUs of the layout, Slices its devices in use, Unused those
	// that no instance stands on. UnusedMemory is the share of the layout's memory that
	// only these have; memory that the layout gives to no device is not in it.
	GPUs         Value `json:"gpus"`
	Slices       Value `json:"slices"`
	Unused       Value `json:"unused_devices"`
	UnusedMemory Value `json:"unused_memory_share"`

	Vision CostRates `json:"vision"` // requests
	Agent  CostRates `json:"agent"`  // VLM responses

	// Power is the mean of all the GPUs' together within the windows that the rates are
	// of, in W; Idle that between the start of the services and the first load.
	Power Value `json:"power"`
	Idle  Value `json:"idle_power"`
	// Switch is how long it took to plan and apply the layout, Start from then until the
	// first step could begin: each the median over the cells in which it was done.
	Switch Value `json:"switch"`
	Start  Value `json:"start"`
}

// CostRates are what one role gives for what is taken. Each role is held against all of
// the server: what it takes alone is not known where another runs beside it.
type CostRates struct {
	PerSecond Value `json:"per_second"`
	PerGPU    Value `json:"per_second_and_gpu"`
	PerSlice  Value `json:"per_second_and_slice"`
	// PerJoule is PerSecond ÷ the power of all GPUs, Energy the other way round, in J.
	PerJoule Value `json:"per_joule"`
	Energy   Value `json:"joules_each"`
	// PerCost is for one unit of the currency in which the scenario states the cost of
	// an hour of the server; inapplicable if it states none.
	PerCost Value `json:"per_cost"`
}

// costs gives what each configuration with a cell that was done takes of the server, in
// the order in which they were first run.
func costs(s *Summary) []Cost {
	var list []Cost
	for _, config := range configsOf(s.Cells) {
		var done []Cell
		for _, c := range s.Cells {
			if c.Cell.Config.Name == config && c.Done() {
				done = append(done, c)
			}
		}
		if len(done) > 0 {
			list = append(list, costOf(s.Environment, done))
		}
	}
	return list
}

// costOf is over the cells of one configuration, at least one.
func costOf(env results.Environment, cells []Cell) Cost {
	c := Cost{Config: cells[0].Cell.Config.Name}
	c.use(cells[0])
	picked := pick(env, cells)
	c.At = picked.words
	c.Power = picked.power()
	c.Vision = c.rates(env, picked.rate(env, results.RoleVision))
	c.Agent = c.rates(env, picked.rate(env, results.RoleAgent))
	c.Idle = idleOf(cells)
	c.Switch, c.Start = startsOf(env, cells)
	return c
}

// use counts devices, of a layout that all cells have.
func (c *Cost) use(cell Cell) {
	devices := cell.Layout.Devices
	if len(devices) == 0 {
		const why = "the layout tells no devices"
		c.GPUs, c.Slices, c.Unused, c.UnusedMemory = unknown("1", why), unknown("1", why), unknown("1", why), unknown("ratio", why)
		return
	}
	var gpus []string
	// Compute instances of one GPU instance have its memory together.
	type part struct {
		gpu string
		gi  int
	}
	memory, inUse := map[part]float64{}, map[part]bool{}
	used := 0
	for _, d := range devices {
		if !slices.Contains(gpus, d.GPU) {
			gpus = append(gpus, d.GPU)
		}
		p := part{d.GPU, -1}
		if d.Instance != nil {
			p.gi = d.Instance.GI
		}
		memory[p] = max(memory[p], float64(d.MemoryBytes))
		if slices.ContainsFunc(cell.Cell.Instances, func(i results.Instance) bool { return i.Device == d.UUID }) {
			used++
			inUse[p] = true
		}
	}
	c.GPUs = known(float64(len(gpus)), "1")
	if len(cell.Cell.Instances) == 0 || slices.ContainsFunc(cell.Cell.Instances, func(i results.Instance) bool { return i.Device == "" }) {
		const why = "it is not known on which device each instance stands"
		c.Slices, c.Unused, c.UnusedMemory = unknown("1", why), unknown("1", why), unknown("ratio", why)
		return
	}
	c.Slices, c.Unused = known(float64(used), "1"), known(float64(len(devices)-used), "1")
	var all, idle float64
	for p, bytes := range memory {
		all += bytes
		if !inUse[p] {
			idle += bytes
		}
	}
	c.UnusedMemory = unknown("ratio", "the devices tell no memory")
	if all > 0 {
		c.UnusedMemory = known(idle/all, "ratio")
	}
}

// rates holds a rate against what is taken.
func (c *Cost) rates(env results.Environment, rate Value) CostRates {
	r := CostRates{
		PerSecond: rate, PerGPU: over(rate, c.GPUs, "1/s"), PerSlice: over(rate, c.Slices, "1/s"),
		PerJoule: over(rate, c.Power, "1/J"), Energy: over(c.Power, rate, "J"),
	}
	if rate.Inapplicable {
		r.Energy = inapplicable("J", rate.Why)
	}
	if env.CostPerHour <= 0 {
		r.PerCost = inapplicable("1", "the scenario states no server.cost_per_hour")
		return r
	}
	r.PerCost = over(rate, known(env.CostPerHour/3600, "1/s"), "1/"+env.Currency)
	return r
}

// over divides; what cannot be known of either side cannot be of the quotient.
func over(a, b Value, unit string) Value {
	for _, side := range []Value{a, b} {
		if !side.Known() {
			return Value{Unit: unit, Why: side.Why, Inapplicable: side.Inapplicable}
		}
	}
	if *b.Number == 0 {
		return unknown(unit, "divided by nothing")
	}
	return known(*a.Number / *b.Number, unit)
}
