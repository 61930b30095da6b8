package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/units"
)

// A trait is one thing of a run's environment, as text.
type trait struct {
	what string
	of   func(*Summary) string
	// means says what a difference does to the comparison.
	means string
}

const otherWork = "the runs did not do the same work"

// traits are what runs are compared by, in the order of telling.
var traits = []trait{
	{"Simulated server", func(s *Summary) string { return cmp.Or(s.Environment.Simulated, "none: a real server") }, "what was simulated and what was measured are two things"},
	{"Faults injected", func(s *Summary) string { return cmp.Or(s.Environment.SimulatedFaults, "none") }, ""},
	{"Simulated time", func(s *Summary) string { return strconv.FormatFloat(s.Environment.SimulatedScale, 'g', -1, 64) }, ""},
	{"evabench", func(s *Summary) string { return s.Environment.Evabench }, "another version may measure in another way"},
	{"Scenario", func(s *Summary) string { return s.Environment.Scenario }, ""},
	{"Scenario SHA-256", func(s *Summary) string { return short(s.Environment.ScenarioSHA256) }, "the scenarios differ somewhere: see below, and the two files"},
	{"Host", func(s *Summary) string { return s.Environment.Host.Name }, ""},
	{"System", func(s *Summary) string { return s.Environment.Host.OS + "/" + s.Environment.Host.Arch }, ""},
	{"CPUs", func(s *Summary) string {
		return strings.TrimSpace(fmt.Sprintf("%d %s", s.Environment.Host.CPUs, s.Environment.Host.CPUModel))
	}, ""},
	{"Memory", func(s *Summary) string { return units.Format(float64(s.Environment.Host.MemoryBytes), units.Bytes) }, ""},
	{"GPUs", cardsOf, ""},
	{"GPU UUIDs", func(s *Summary) string { return strings.Join(sortedSet(gpuUUIDs(s)), ", ") }, ""},
	{"GPU driver", driversOf, ""},
	{"Server versions", versionsOf, ""},
	{"Models", modelsServed, otherWork},
	{"Objectives", func(s *Summary) string { return cmp.Or(objectives(s), "none") }, "whether objectives are met cannot be compared"},
	{"Arrivals", loadsOf, "what is driven in another way is not compared"},
	{"Steps", stepsOf, "steps that only one run has are not compared"},
	{"Windows", windowsOf, "the shorter is less sure"},
	{"Search", searchOf, "the capacities are not of the same search"},
	{"Replicates", replicatesOf, ""},
	{"Seeds", seedsOf, "replicates did not meet the same arrivals, and are not paired"},
	{"Indifference zone", func(s *Summary) string { return units.Format(s.Zone(), units.Ratio) }, "the widest is used"},
	{"Cost per hour", func(s *Summary) string {
		return strings.TrimSpace(fmt.Sprintf("%g %s", s.Environment.CostPerHour, s.Environment.Currency))
	}, ""},
	{"Configurations", func(s *Summary) string { return strings.Join(configsOf(s.Cells), ", ") }, "those that only one run has are not compared"},
}

// differencesOf tells what runs do not have in common, and names what they do.
func differencesOf(runs []NamedSummary) (list []Difference, common []string) {
	list, common = []Difference{}, []string{}
	all := slices.Clone(traits)
	for _, config := range configsOf(runs[0].Summary.Cells) {
		all = append(all, trait{"Configuration " + config, func(s *Summary) string { return configText(s, config) }, "configurations of one name are not the same"})
	}
	for _, t := range all {
		d := Difference{What: t.what, Means: t.means}
		for _, r := range runs {
			d.Values = append(d.Values, cmp.Or(t.of(r.Summary), "not told"))
		}
		if len(slices.Compact(slices.Clone(d.Values))) > 1 {
			list = append(list, d)
		} else if d.Values[0] != "not told" && !strings.HasPrefix(t.what, "Configuration ") {
			common = append(common, t.what)
		}
	}
	return list, common
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

func sortedSet(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

// cardsOf counts a run's physical GPUs by model: "2 NVIDIA X".
func cardsOf(s *Summary) string {
	models := map[string]string{} // by UUID of the GPU
	for _, c := range s.Cells {
		for _, d := range c.Layout.Devices {
			models[d.GPU] = d.Model
		}
	}
	n := map[string]int{}
	for _, model := range models {
		n[model]++
	}
	var all []string
	for _, model := range slices.Sorted(maps.Keys(n)) {
		all = append(all, fmt.Sprintf("%d x %s", n[model], cmp.Or(model, "unknown")))
	}
	return strings.Join(all, ", ")
}

func gpuUUIDs(s *Summary) (all []string) {
	for _, c := range s.Cells {
		for _, d := range c.Layout.Devices {
			all = append(all, d.GPU)
		}
	}
	return all
}

func driversOf(s *Summary) string {
	var all []string
	for _, c := range s.Cells {
		if c.Layout.Driver != "" {
			all = append(all, c.Layout.Driver)
		}
	}
	return strings.Join(sortedSet(all), ", ")
}

// versionsOf tells what the servers say of themselves, by service.
func versionsOf(s *Summary) string {
	var all []string
	for _, c := range s.Cells {
		for _, i := range c.Cell.Instances {
			if i.Version != "" {
				all = append(all, i.Service+" "+i.Version)
			}
		}
	}
	return strings.Join(sortedSet(all), ", ")
}

// modelsServed names the models that were asked, by service.
func modelsServed(s *Summary) string {
	var all []string
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			for _, v := range step.Services {
				for _, m := range v.Models {
					if m.Name != "" {
						all = append(all, v.Name+" "+m.Name)
					}
				}
			}
		}
	}
	return strings.Join(sortedSet(all), ", ")
}

// stepsOf lists the loads of the steps of levels.
func stepsOf(s *Summary) string {
	var all []string
	for _, l := range levelSteps(s.Cells) {
		all = append(all, l.load)
	}
	return strings.Join(all, "; ")
}

// loadsOf tells how each service's load arrives.
func loadsOf(s *Summary) string {
	var all []string
	for _, v := range s.Environment.Services {
		if text := cmp.Or(v.Load, arrivalsOf(v)); text != "" {
			all = append(all, v.Name+" "+text)
		}
	}
	return strings.Join(all, "; ")
}

func windowsOf(s *Summary) string {
	var all []string
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			if step.Purpose == "" && step.Failover == nil {
				all = append(all, fmt.Sprintf("%s after %s", units.Format(step.Window, units.Seconds), units.Format(step.Warmup, units.Seconds)))
			}
		}
	}
	return strings.Join(sortedSet(all), ", ")
}

func searchOf(s *Summary) string {
	if s.Environment.Search == nil {
		return "none"
	}
	return s.Environment.Search.Kind + ", raises " + raised(s)
}

func replicatesOf(s *Summary) string {
	n := 0
	for _, c := range s.Cells {
		n = max(n, c.Cell.Replicate)
	}
	return strconv.Itoa(n)
}

// seedsOf lists the replicates' seeds.
func seedsOf(s *Summary) string {
	var all []string
	for _, c := range s.Cells {
		if c.Cell.Replicate > 0 {
			all = append(all, fmt.Sprintf("r%d %d", c.Cell.Replicate, c.Cell.Seed))
		}
	}
	return strings.Join(sortedSet(all), ", ")
}

// configText writes what a configuration is; empty if the run does not have it.
func configText(s *Summary, name string) string {
	for _, c := range s.Cells {
		if c.Cell.Config.Name != name {
			continue
		}
		config := c.Cell.Config
		all := []string{config.Layout, config.Sharing, "placement " + config.Placement, "routing " + config.Routing}
		for _, model := range slices.Sorted(maps.Keys(config.Workers)) {
			all = append(all, fmt.Sprintf("%s %d", model, config.Workers[model]))
		}
		for _, key := range slices.Sorted(maps.Keys(config.Params)) {
			all = append(all, key+" "+config.Params[key])
		}
		return strings.Join(all, ", ")
	}
	return ""
}
