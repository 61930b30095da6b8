package doctor

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/units"
)

// busy is the share of the processors beyond which others disturb a measurement.
const busy = 0.25

// fastest is the governor that keeps processors at their highest clock.
const fastest = "performance"

func cpu(_ context.Context, m Machine) []Finding {
	n := m.processors()
	var all []Finding
	switch {
	case n == 0:
		all = append(all, unknown("how many processors there are cannot be read"))
	case n == 1:
		all = append(all, warn("evabench run --vision-url http://SERVER:8080 …   # on another machine, which drives this one",
			"there is one processor, which the load generator shares with all servers: it is late where they are busy"))
	default:
		all = append(all, ok("%s", units.Plural(n, "processor")))
	}
	return append(all, slices.Concat(m.quota(n), m.load(n), m.governors())...)
}

// processors counts them.
func (m Machine) processors() int {
	text, err := m.text("proc/stat")
	if err != nil {
		return 0
	}
	n := 0
	for line := range strings.Lines(text) {
		if len(line) > 3 && strings.HasPrefix(line, "cpu") && '0' <= line[3] && line[3] <= '9' {
			n++
		}
	}
	return n
}

// quota tells of a container's bound on processor time (cgroup v2, cpu.max).
func (m Machine) quota(processors int) []Finding {
	text, err := m.text("sys/fs/cgroup/cpu.max")
	if err != nil {
		return nil // no such control here
	}
	fields := strings.Fields(text)
	if len(fields) != 2 || fields[0] == "max" {
		return nil
	}
	quota, err := strconv.ParseFloat(fields[0], 64)
	period, err2 := strconv.ParseFloat(fields[1], 64)
	if err != nil || err2 != nil || period <= 0 || quota >= float64(processors)*period {
		return nil
	}
	return []Finding{warn("docker update --cpus 0 CONTAINER   # or start it without --cpus, or without a limit of cpu in Kubernetes",
		"this container may use %.1f of %d processors, and is stopped for the rest of each %.0f ms when it has: requests are late then", quota/period, processors, period/1000)}
}

// load tells how busy the machine was in the last minute.
func (m Machine) load(processors int) []Finding {
	text, err := m.text("proc/loadavg")
	if err != nil || processors == 0 {
		return nil
	}
	one, err := strconv.ParseFloat(strings.Fields(text + " ?")[0], 64)
	if err != nil {
		return []Finding{unknown("the load of the last minute is %q", text)}
	}
	if one > busy*float64(processors) {
		return []Finding{warn("top -b -n 1 -o %CPU | head -15   # who it is", "%.1f processes were busy or waiting in the last minute, on %s: they disturb what is measured", one, units.Plural(processors, "processor"))}
	}
	return nil
}

// governors tells how the processors' clocks are chosen.
func (m Machine) governors() []Finding {
	files, _ := filepath.Glob(m.path("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")) // the pattern is good
	if len(files) == 0 {
		return []Finding{unknown("how processors are clocked is not told here (no cpufreq): in a virtual machine its host decides")}
	}
	count := map[string]int{}
	for _, f := range files {
		name, err := m.text(strings.TrimPrefix(f, m.path("")))
		if err != nil {
			return []Finding{unknown("how processors are clocked cannot be read: %v", err)}
		}
		count[name]++
	}
	if count[fastest] == len(files) {
		return []Finding{ok("governor %s on all of them", fastest)}
	}
	var texts []string
	slowest := ""
	for _, name := range slices.Sorted(maps.Keys(count)) {
		if name != fastest {
			slowest = name
		}
		texts = append(texts, fmt.Sprintf("%s on %s", name, units.Plural(count[name], "processor")))
	}
	const file = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
	return []Finding{warn(fmt.Sprintf("echo %s | sudo tee %s   # and afterwards the same with %s", fastest, file, slowest),
		"governor %s: clocks follow load with a delay, and short requests are slower at low load than at high", strings.Join(texts, ", "))}
}
