// Package doctor tells whether a machine is fit to be measured and to measure, and
// what to do where it is not. It looks and changes nothing.
//
// A check is data: a name, what it is about, and a pure function of a [Machine],
// which holds what was read, and a root below which the files of the system are.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
)

// A Level says how much a finding matters.
type Level string

// The levels. Unknown is what could not be looked at, and is neither good nor bad;
// its text says why.
const (
	OK      Level = "ok"
	Warning Level = "warning" // figures are worth less, or something that may not be needed is not there
	Fault   Level = "fault"   // a sweep fails, or is refused
	Unknown Level = "unknown"
)

// A Finding is one line of what the doctor says.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"` // what was found, and what it does
	// Remedy is what to do: a command, or a sentence with one. A warning or a fault
	// always has one.
	Remedy string `json:"remedy,omitempty"`
}

// A Machine is all that the checks look at. The caller fills it; [Here] does so
// for this machine. A nil function or value says that it was not looked at.
type Machine struct {
	// Root is the folder in which proc, sys and etc are; empty means "/".
	Root string
	// Simulated is the simulated server whose GPUs these are, empty for real ones.
	Simulated string
	// GPUs is what was found, unless GPUFault tells why nothing was. NoDriver says
	// that the fault is that there is no driver to ask.
	GPUs     partition.State
	GPUFault error
	NoDriver bool
	// Left tells of an earlier change of the GPUs that waits to be put back, and
	// PutBack is the command that does; empty if none waits.
	Left, PutBack string
	// Needs is what is to be done on the machine.
	Needs Needs

	// Look finds a program as a shell does.
	Look func(program string) (path string, err error)
	// Docker asks the container engine.
	Docker func(ctx context.Context, program string) (Docker, error)
	// Space tells of the file system that holds a path, or would hold it.
	Space func(path string) (Space, error)
	// Synced tells whether the kernel's clock follows another one.
	Synced func() (bool, error)
	// Reaches tells whether an HTTP server answers at a URL. The error wraps ErrSilent
	// if a connection was taken and no status line came.
	Reaches func(ctx context.Context, url string) error

	// SelfTest is what the load generator can do here; nil if it was not measured,
	// and SelfTestFault then says why, if it failed.
	SelfTest      *results.SelfTest
	SelfTestFault error

	// Folders are where files go, by what they are for.
	Folders []Folder
}

// A Folder is where evabench writes.
type Folder struct {
	Path string
	For  string // such as "run directories"
	Flag string // that names another one, such as "--out"; empty if there is none
	Much bool   // it takes gigabytes
}

// Needs is what a scenario wants of the machine. The zero value is not known: then
// everything may be needed.
type Needs struct {
	Known bool
	GPUs  bool // real ones, to be changed
	// Docker is the command of each launcher docker, and NVIDIA whether a container
	// takes its GPU by NVIDIA's toolkit.
	Docker      []string
	NVIDIA      bool
	Connections int    // most requests in flight at once; 0 if unknown
	Ports       []Port // that its servers are to listen on
	Servers     []Running
}

// A Port is one that a server of a scenario is told to use.
type Port struct {
	Number  int
	Service string
}

// A Running is a server that a scenario says runs already.
type Running struct{ Service, URL string }

// A Check is one thing that is looked at.
type Check struct {
	Name  string // as users type it
	About string // one line
	look  func(ctx context.Context, m Machine) []Finding
}

// Checks lists all checks in the order in which they are told.
func Checks() []Check {
	return []Check{
		{"driver", "the NVIDIA driver and its library NVML", driver},
		{"gpus", "the cards, and what is set on them", gpus},
		{"mig", "whether a card can be cut up, and whether it is", mig},
		{"change", "what stands in the way of a change now", change},
		{"permission", "whether this user may do it", permission},
		{"mps", "the programs of MPS", mpsPrograms},
		{"docker", "containers with GPUs", docker},
		{"ports", "the ports that servers and connections take", ports},
		{"servers", "whether the servers answer that run already", servers},
		{"descriptors", "how many connections a process may have open", descriptors},
		{"cpu", "processors: how many, how busy, how they are clocked", cpu},
		{"clock", "the clock that everything is measured with", clock},
		{"date", "whether dates in reports are right", date},
		{"client", "what the load generator can do here", client},
		{"memory", "memory that is free", memory},
		{"disk", "where files go, and what is free there", disk},
	}
}

// Names lists the names of the checks.
func Names() []string {
	var names []string
	for _, c := range Checks() {
		names = append(names, c.Name)
	}
	return names
}

// Known refuses names that are no checks, and lists those that are.
func Known(names []string) error {
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("unknown check %q; known: %s", name, strings.Join(Names(), ", "))
		}
	}
	return nil
}

// Examine looks at a machine, by all checks or those that are named, in their
// order. A name that is no check is an error.
func Examine(ctx context.Context, m Machine, only []string) ([]Finding, error) {
	if err := Known(only); err != nil {
		return nil, err
	}
	var all []Finding
	for _, c := range Checks() {
		if len(only) > 0 && !slices.Contains(only, c.Name) {
			continue
		}
		for _, f := range c.look(ctx, m) {
			f.Check = c.Name
			all = append(all, f)
		}
		if err := ctx.Err(); err != nil {
			return all, err
		}
	}
	return all, nil
}

// Count is how many findings have a level.
func Count(all []Finding, level Level) int {
	n := 0
	for _, f := range all {
		if f.Level == level {
			n++
		}
	}
	return n
}

// The findings of one line each.

func ok(format string, args ...any) Finding {
	return Finding{Level: OK, Text: fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) Finding {
	return Finding{Level: Unknown, Text: fmt.Sprintf(format, args...)}
}

func warn(remedy, format string, args ...any) Finding {
	return Finding{Level: Warning, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

func fault(remedy, format string, args ...any) Finding {
	return Finding{Level: Fault, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

// path is that of a file of the system.
func (m Machine) path(name string) string { return filepath.Join(cmp.Or(m.Root, "/"), name) }

// text reads a file of the system, without the space around it.
func (m Machine) text(name string) (string, error) {
	data, err := os.ReadFile(m.path(name))
	return strings.TrimSpace(string(data)), err
}

// real reports whether real GPUs are to be used.
func (m Machine) real() bool { return m.Simulated == "" && (!m.Needs.Known || m.Needs.GPUs) }

// why says why nothing is asked of the GPUs.
func (m Machine) why() string {
	if m.Simulated != "" {
		return "not needed: the GPUs are simulated"
	}
	return "not needed: the scenario changes no GPU"
}
