package report

import (
	"slices"

	"github.com/evabench/evabench/analysis"
)

// hasActivity reports whether anything beyond memory was read of any device.
func hasActivity(s *analysis.Summary) bool {
	return slices.ContainsFunc(s.Cells, func(c analysis.Cell) bool {
		return slices.ContainsFunc(c.Steps, func(step analysis.Step) bool { return step.Activity != nil })
	})
}

// activities tells what devices did in each step, and their GPUs.
func activities(s *analysis.Summary) Section {
	head := func(of string, more ...Column) []Column {
		return append([]Column{words("Cell"), words("Step"), words(of)}, more...)
	}
	devices := Table{
		ID: "device-activity", Title: "What each device did in the window",
		Notes: []string{"From NVML's GPM, means over time of all of the device: SM active, of its SMs' time; occupancy, of the warps that they could hold; tensor, of the time in which tensor units were used; DRAM, of its memory's bandwidth. Those of a compute instance are its GPU instance's. Memory and processes: the most of any reading. Context switches: requests of all graphics engines; switching: of the time of the engine with the most."},
		Columns: head("Device", ratios("SM active"), ratios("Occupancy"), ratios("Tensor"), ratios("DRAM"), numbers("Memory used, max", "GiB"),
			numbers("Processes", "n"), numbers("Context switches", "1/s"), ratios("Switching"), numbers("Readings", "n")),
	}
	gpus := Table{
		ID: "gpu-activity", Title: "Power, clock and heat of each GPU in the window",
		Notes: []string{"Of the physical GPU, all its instances together: NVML has none of them for one instance. Power: from the energy counter where NVML has it, else from readings of the power. Energy per answer: power x window / ok answers that came within it from the instances on the GPU."},
		Columns: head("GPU", numbers("Power", "W"), words("Power from"), numbers("Energy per answer", "J"), numbers("SM clock", "MHz"),
			numbers("Temperature, max", "°C"), numbers("Readings", "n")),
	}
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			if step.Activity == nil {
				continue
			}
			place := []Cell{Text(c.Cell.Folder), Text(stepName(step.Name, step.Index))}
			for _, d := range step.Activity.Devices {
				devices.Rows = append(devices.Rows, append(slices.Clone(place), Text(d.Device), scaled(d.SM), scaled(d.Occupancy), scaled(d.Tensor), scaled(d.DRAM),
					divided(d.MemoryPeak, 1<<30, "GiB"), number(d.Processes, "n"), number(d.Switches, "1/s"), scaled(d.Switching), count(d.Readings)))
			}
			for _, g := range step.Activity.GPUs {
				gpus.Rows = append(gpus.Rows, append(slices.Clone(place), Text(g.GPU), number(g.Power, "W"), Text(g.PowerFrom), number(g.PerAnswer, "J"),
					divided(g.SMClock, 1e6, "MHz"), number(g.Temperature, "°C"), count(g.Readings)))
			}
		}
	}
	return Section{
		Title:  "Devices",
		Notes:  []string{"A value that the GPU, its driver or its MIG mode does not tell is unknown, and not zero. Readings: how many of the window the row is from."},
		Tables: []Table{devices, gpus, clockReasons(s)},
	}
}

// divided shows a value in a larger unit.
func divided(v analysis.Value, by float64, unit string) Cell {
	if v.Known() {
		larger := *v.Number / by
		v.Number = &larger
	}
	return number(v, unit)
}

// clockReasons has a column for each reason that held anywhere, or that somebody does
// not know.
func clockReasons(s *analysis.Summary) Table {
	t := Table{
		ID: "clock-reasons", Title: "Why clocks were not higher: share of the window",
		Notes:   []string{"From NVML's counters of the time; a value marked * is the share of the readings at which the reason held, where there is no counter. Reasons that are known to have held nowhere are left out. Idle and application clocks are no slowdown."},
		Columns: []Column{words("Cell"), words("Step"), words("GPU")},
	}
	var names []string
	each := func(f func(c analysis.Cell, step analysis.Step, g analysis.GPUActivity)) {
		for _, c := range s.Cells {
			for _, step := range c.Steps {
				if step.Activity != nil {
					for _, g := range step.Activity.GPUs {
						f(c, step, g)
					}
				}
			}
		}
	}
	absent := map[string]bool{} // of all, whether it held nowhere
	each(func(_ analysis.Cell, _ analysis.Step, g analysis.GPUActivity) {
		for _, r := range g.Reasons {
			if _, seen := absent[r.Name]; !seen {
				names, absent[r.Name] = append(names, r.Name), true
			}
			absent[r.Name] = absent[r.Name] && r.Share.Known() && *r.Share.Number == 0
		}
	})
	names = slices.DeleteFunc(names, func(name string) bool { return absent[name] })
	for _, name := range names {
		t.Columns = append(t.Columns, ratios(name))
	}
	if len(names) == 0 {
		t.Columns = append(t.Columns, words("Reasons"))
	}
	each(func(c analysis.Cell, step analysis.Step, g analysis.GPUActivity) {
		row := []Cell{Text(c.Cell.Folder), Text(stepName(step.Name, step.Index)), Text(g.GPU)}
		for _, name := range names {
			row = append(row, reasonCell(g, name))
		}
		if len(names) == 0 {
			row = append(row, Text("none"))
		}
		t.Rows = append(t.Rows, row)
	})
	return t
}

func reasonCell(g analysis.GPUActivity, name string) Cell {
	for _, r := range g.Reasons {
		if r.Name != name {
			continue
		}
		cell := scaled(r.Share)
		if r.Sampled && r.Share.Known() {
			cell.Text += " *"
		}
		return cell
	}
	return missing(analysis.Value{Unit: "ratio", Why: "it was not recorded"}, "ratio")
}
