package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/units"
)

// Descriptors: a connection takes one, and logs, pages and files of a run some
// more. Each process raises its own limit to the hard one by itself (Go does).
const (
	own      = 256   // that are no connections
	many     = 16384 // enough for all but very large loads
	tooFew   = 1024  // too few for a run of a hundred users with its servers' logs
	asksFor  = 65536
	setLimit = "sudo prlimit --pid $$ --nofile=65536:65536   # for this shell and what it starts"
)

func descriptors(_ context.Context, m Machine) []Finding {
	text, err := m.text("proc/self/limits")
	if err != nil {
		return []Finding{unknown("the limit of open files cannot be read: %v", err)}
	}
	hard := ""
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, "Max open files"); found {
			if fields := strings.Fields(rest); len(fields) >= 2 {
				hard = fields[1]
			}
		}
	}
	if hard == "unlimited" {
		return []Finding{ok("open files are not limited")}
	}
	n, err := strconv.Atoi(hard)
	if err != nil {
		return []Finding{unknown("the limit of open files is %q", hard)}
	}
	need := m.Needs.Connections + own
	remedy := setLimit
	if need > asksFor {
		remedy = strings.ReplaceAll(remedy, strconv.Itoa(asksFor), strconv.Itoa(2*need))
	}
	switch {
	case m.Needs.Connections > 0 && n < need:
		return []Finding{fault(remedy, "a process may have %s files open, and the scenario asks for up to %s connections at once", units.Number(float64(n)), units.Number(float64(m.Needs.Connections)))}
	case n < tooFew:
		return []Finding{fault(remedy, "a process may have %d files open, connections counted: requests fail for want of them", n)}
	case n < many:
		return []Finding{warn(remedy, "a process may have %s files open: no more than some %s requests in flight", units.Number(float64(n)), units.Number(float64(n-own)))}
	}
	return []Finding{ok("a process may have %s files open", units.Number(float64(n)))}
}

// littleMemory is too little for the samples of a step of a million requests beside
// everything else.
const littleMemory = 2 << 30

func memory(_ context.Context, m Machine) []Finding {
	text, err := m.text("proc/meminfo")
	if err != nil {
		return []Finding{unknown("free memory cannot be read: %v", err)}
	}
	kib := map[string]float64{}
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(line, ":")
		if fields := strings.Fields(rest); len(fields) > 0 {
			if n, err := strconv.ParseFloat(fields[0], 64); err == nil {
				kib[key] = n
			}
		}
	}
	available, told := kib["MemAvailable"]
	if !told {
		return []Finding{unknown("the system does not tell how much memory is available")}
	}
	line := fmt.Sprintf("%s of %s available", units.Format(available*1024, units.Bytes), units.Format(kib["MemTotal"]*1024, units.Bytes))
	if available*1024 < littleMemory {
		return []Finding{warn("ps -eo pid,rss,args --sort -rss | head   # who has it", "%s: a step's samples stay in memory, and servers that are started need more", line)}
	}
	return []Finding{ok("%s", line)}
}
