package recommend

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// The operating environments of section 8 of EVA's guide, the most specific first: what
// stands earlier leaves less choice to what stands later.
const (
	ScarceMemory = "server with insufficient GPU memory"
	SingleMixed  = "single-GPU server with mixed Vision/VLM workloads"
	Separable    = "server where Vision and vLLM can be separated by physical GPU"
	ManyVision   = "server with many Vision workers"
	MultiVLM     = "multi-GPU server focused on vLLM"
)

// rules are what the guide recommends, by environment.
var rules = map[string]string{
	ScarceMemory: "prioritize model placement and worker count adjustment before MIG",
	SingleMixed:  "consider MIG first",
	Separable:    "prioritize physical GPU-level separation",
	ManyVision:   "consider applying MPS",
	MultiVLM:     "start without MIG and introduce MIG only when a clear bottleneck is identified",
}

// manyWorkers is how many Vision processes on one device are many. The guide gives no
// number: it is EVA's four detectors with a worker each.
const manyWorkers = 4

// environments tells which of them the server is. All can be told from facts of the run:
// roles, placements, devices, and memory that did not suffice.
func (r run) environments() []analysis.OperatingEnvironment {
	list := []analysis.OperatingEnvironment{}
	gpus, workers := r.gpus(), r.visionWorkers()
	vision, agent := r.role(results.RoleVision), r.role(results.RoleAgent)
	add := func(name, why string, evidence func() (measured, because string)) {
		e := analysis.OperatingEnvironment{Name: name, Why: why, Rule: rules[name]}
		e.Measured, e.Because = evidence()
		list = append(list, e)
	}
	if short := r.short(); len(short) > 0 {
		var why []string
		for _, config := range slices.Sorted(maps.Keys(short)) {
			why = append(why, config+": "+short[config])
		}
		add(ScarceMemory, some(why), r.scarceMemory)
	}
	if gpus == 1 && vision && agent {
		add(SingleMixed, "one GPU, and services of both roles", r.singleMixed)
	}
	if apart := r.apart(); gpus > 1 && vision && agent && len(apart) > 0 {
		add(Separable, fmt.Sprintf("%d GPUs, and no GPU has instances of both roles in %s", gpus, strings.Join(names(apart), ", ")), r.separable)
	}
	if workers >= manyWorkers {
		add(ManyVision, fmt.Sprintf("up to %s on one device", units.Plural(workers, "Vision worker")), r.manyVision)
	}
	if why := r.vlmFocus(); gpus > 1 && why != "" {
		add(MultiVLM, fmt.Sprintf("%d GPUs, %s", gpus, why), r.multiVLM)
	}
	return list
}

// gpus counts the physical GPUs of the layouts, the most of any; 0 if no layout tells.
func (r run) gpus() int {
	most := 0
	for _, c := range r.all {
		seen := map[string]bool{}
		for _, d := range c.first.Layout.Devices {
			seen[d.GPU] = true
		}
		most = max(most, len(seen))
	}
	return most
}

// visionWorkers is the most worker processes of Vision services on one device of any
// configuration.
func (r run) visionWorkers() int {
	most := 0
	for _, c := range r.all {
		on := map[string]int{}
		for _, i := range c.first.Cell.Instances {
			if i.Device != "" && r.roleOf(i.Service) == results.RoleVision {
				on[i.Device] += processes(i)
			}
		}
		for _, n := range on {
			most = max(most, n)
		}
	}
	return most
}

func (r run) roleOf(service string) string {
	for _, s := range r.Environment.Services {
		if s.Name == service {
			return s.Role
		}
	}
	return ""
}

// rolesOn gives the roles on each GPU of a configuration; nil if some instance's is not
// known.
func (r run) rolesOn(c candidate) map[string][]string {
	gpu := map[string]string{}
	for _, d := range c.first.Layout.Devices {
		gpu[d.UUID] = d.GPU
	}
	on := map[string][]string{}
	for _, i := range c.first.Cell.Instances {
		g := gpu[i.Device]
		if g == "" {
			return nil
		}
		if role := r.roleOf(i.Service); !slices.Contains(on[g], role) {
			on[g] = append(on[g], role)
		}
	}
	return on
}

// apart are the configurations that keep the roles on GPUs of their own.
func (r run) apart() []candidate {
	return r.where(func(c candidate) bool {
		on := r.rolesOn(c)
		for _, roles := range on {
			if len(roles) > 1 {
				return false
			}
		}
		return len(on) > 1
	})
}

// together are those that have both roles on some GPU.
func (r run) together() []candidate {
	return r.where(func(c candidate) bool {
		for _, roles := range r.rolesOn(c) {
			if len(roles) > 1 {
				return true
			}
		}
		return false
	})
}

func (r run) where(is func(candidate) bool) []candidate {
	var list []candidate
	for _, c := range r.all {
		if is(c) {
			list = append(list, c)
		}
	}
	return list
}

// vlmFocus says why the server is focused on vLLM, and is empty if it is not: without
// Vision, or where agents have more GPUs than Vision has, in the simplest configuration
// that tells.
func (r run) vlmFocus() string {
	if !r.role(results.RoleAgent) {
		return ""
	}
	if !r.role(results.RoleVision) {
		return "and only agents"
	}
	told := r.where(func(c candidate) bool { return len(r.rolesOn(c)) > 0 })
	if len(told) == 0 {
		return ""
	}
	base := simplest(told)
	var agents, eyes int
	for _, roles := range r.rolesOn(base) {
		if slices.Contains(roles, results.RoleAgent) {
			agents++
		}
		if slices.Contains(roles, results.RoleVision) {
			eyes++
		}
	}
	if agents <= eyes {
		return ""
	}
	return fmt.Sprintf("%d of them with agents and %d with Vision in %s", agents, eyes, base.name)
}

// short tells of which configurations memory did not suffice, by name.
func (r run) short() map[string]string {
	all := map[string]string{}
	note := func(config, why string) {
		if all[config] == "" {
			all[config] = why
		}
	}
	for config, text := range r.Environment.Memory {
		for line := range strings.SplitSeq(text, "\n") {
			if strings.Contains(line, " too much") {
				note(config, strings.TrimSpace(line))
			}
		}
	}
	for _, i := range r.Environment.Impossible {
		if lacksMemory(i.Reason) {
			note(i.Config.Name, i.Reason)
		}
	}
	for _, c := range r.Cells {
		config := c.Cell.Config.Name
		if config == "" {
			continue
		}
		if c.Cell.Status == results.CellFailed && lacksMemory(c.Cell.Fault) {
			note(config, "the cell failed: "+c.Cell.Fault)
		}
		for _, s := range c.Steps {
			for _, v := range s.Services {
				if n := v.Total.OutOfMemory(); n > 0 {
					note(config, fmt.Sprintf("%s of %s told that memory ran out", units.Plural(int(n), "answer"), v.Name))
				}
			}
			for _, instance := range slices.Sorted(maps.Keys(s.OutOfMemory)) {
				if s.OutOfMemory[instance] > 0 {
					note(config, "memory ran out at "+instance)
				}
			}
		}
	}
	return all
}

// lacksMemory reports whether a reason is want of memory, by the words of the checks
// before launch and of CUDA.
func lacksMemory(reason string) bool {
	reason = strings.ToLower(reason)
	return strings.Contains(reason, "not fit on") || strings.Contains(reason, "out of memory") || strings.Contains(reason, "outofmemory")
}
