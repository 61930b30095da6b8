package main

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"

	"github.com/evabench/evabench/collectors/sources/host"
	"github.com/evabench/evabench/internal/supervise"
)

// findEvery is how often services' processes are looked for: one may be started again
// under load.
const findEvery = 5 * time.Second

// ownServices finds the processes of the services that we started: each has a supervisor
// of ours above it, which writes the log that is named after the instance. It is used by
// one goroutine at a time.
//
// Note: launchers tell no process ids. A server in a container is no descendant of ours,
// and one that ran before is nobody's: neither is found.
type ownServices struct {
	proc    string // the folder
	us      int    // whose children the supervisors are
	found   []host.Process
	foundAt time.Time
}

// processes gives the supervisors of services, by name.
func (o *ownServices) processes() ([]host.Process, error) {
	if !o.foundAt.IsZero() && time.Since(o.foundAt) < findEvery {
		return o.found, nil
	}
	fs, err := procfs.NewFS(o.proc)
	if err != nil {
		return nil, err
	}
	all, err := fs.AllProcs()
	if err != nil {
		return nil, err
	}
	o.found, o.foundAt = nil, time.Now()
	elsewhere := make(map[int]bool) // supervisors of what only asks another to do the work
	for _, p := range all {
		stat, err := p.Stat()
		if err != nil {
			continue // it has ended
		}
		if stat.Comm == "docker" || stat.Comm == "podman" {
			elsewhere[stat.PPID] = true
		}
		if stat.PPID != o.us {
			continue
		}
		if name := supervisedLog(p); name != "" {
			o.found = append(o.found, host.Process{Name: name, PID: p.PID, Keeper: true})
		}
	}
	o.found = slices.DeleteFunc(o.found, func(p host.Process) bool { return elsewhere[p.PID] })
	slices.SortFunc(o.found, func(a, b host.Process) int { return strings.Compare(a.Name, b.Name) })
	return o.found, nil
}

// supervisedLog gives the name of the log that a supervisor writes, without its ending;
// empty for any other process.
func supervisedLog(p procfs.Proc) string {
	args, err := p.CmdLine()
	if err != nil || len(args) < 2 || args[1] != supervise.Command {
		return ""
	}
	files, err := p.FileDescriptorTargets()
	if err != nil {
		return ""
	}
	for _, f := range files {
		if name, ok := strings.CutSuffix(filepath.Base(f), ".log"); ok && name != "" {
			return name
		}
	}
	return ""
}
