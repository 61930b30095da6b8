// Package host tells what machine evabench runs on.
package host

import (
	"fmt"
	"os"
	"runtime"

	"github.com/prometheus/procfs"

	"github.com/evabench/evabench/results"
)

// Read describes this machine. What the system does not tell stays empty, and
// comes back as a warning.
func Read() (results.Host, []results.Warning) {
	h := results.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), GoVersion: runtime.Version()}
	var warnings []results.Warning
	unknown := func(what string, err error) {
		warnings = append(warnings, results.Warning{
			Code: "host-unknown", Subject: what, Text: fmt.Sprintf("read the host's %s: %v", what, err), Count: 1,
		})
	}
	name, err := os.Hostname()
	if err != nil {
		unknown("name", err)
	}
	h.Name = name
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		unknown("/proc", err)
		return h, warnings
	}
	if cpus, err := fs.CPUInfo(); err != nil {
		unknown("CPU model", err)
	} else if len(cpus) > 0 {
		h.CPUModel = cpus[0].ModelName
	}
	if m, err := fs.Meminfo(); err != nil {
		unknown("memory", err)
	} else if m.MemTotalBytes != nil {
		h.MemoryBytes = *m.MemTotalBytes
	}
	return h, warnings
}
