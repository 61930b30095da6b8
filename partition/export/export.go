// Package export writes the configuration that makes a layout stand again after
// every boot, for what a server has to do that: mig-parted, systemd, Docker
// Compose, or Kubernetes with NVIDIA's GPU operator.
//
// The files are text that an operator reads before using it. Each begins with
// what made it, for which cards and which layout, what of the layout it does not
// bring back, and how to undo it.
package export

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/partition"
)

// A Target is what a configuration is for.
type Target string

// The targets.
const (
	MIGParted     Target = "mig-parted"     // a file for nvidia-mig-parted
	Systemd       Target = "systemd"        // a unit, and a drop-in for workers
	DockerCompose Target = "docker-compose" // MPS daemons and blocks for workers
	Kubernetes    Target = "k8s"            // config maps for the GPU operator
)

// Targets lists every target.
func Targets() []Target { return []Target{MIGParted, Systemd, DockerCompose, Kubernetes} }

// Input is what a configuration is made of.
type Input struct {
	Layout partition.Layout
	// State is of the GPUs that the layout is for. What runs on them now does not
	// matter; instances that stand already give their UUIDs.
	State partition.State
	// Name names units, configurations and config maps: lower-case letters,
	// digits and hyphens, at most 40. Empty means "evabench".
	Name string
	// Replicas is how many pods share a device, for Kubernetes only. 0 leaves it
	// to the layout: one, or what its thread percentage divides a GPU into.
	Replicas int
	// Program is the absolute path of evabench on the server. Empty means
	// /usr/local/bin/evabench.
	Program string
	// MPSUser is the user whose workers the MPS daemons serve, by name or number, as
	// gpu apply --mps-user has it; for Docker Compose a number, as containers have
	// users of their own. Empty means root. It is told for Systemd and DockerCompose alone.
	MPSUser string
}

// A File is one file of a configuration.
type File struct {
	Name string      // relative, with slashes
	Mode fs.FileMode // permissions
	Data []byte
}

// Export makes the files for a target. It is pure. The warnings tell what of the
// layout the files do not bring back; the files say so, too. It is an error if
// the GPUs cannot take the layout, as [partition.MakePlan] says, or if the target
// cannot be told of it at all.
func Export(to Target, in Input) (files []File, warnings []string, err error) {
	e, err := newExport(to, in)
	if err != nil {
		return nil, nil, err
	}
	switch to {
	case MIGParted:
		err = e.migParted()
	case Systemd:
		err = e.systemd()
	case DockerCompose:
		err = e.compose()
	case Kubernetes:
		err = e.kubernetes()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("export layout %q for %s: %w", in.Layout, to, err)
	}
	return e.files, e.lacks, nil
}

// An export is what a target's files are written from, and the files.
type export struct {
	Input
	to      Target
	targets []partition.Target
	devices []unit
	lacks   []string // what the files do not bring back
	undo    []string // commands
	files   []File
}

var nameRE = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

func newExport(to Target, in Input) (*export, error) {
	if in.Name == "" {
		in.Name = "evabench"
	}
	if in.Program == "" {
		in.Program = "/usr/local/bin/evabench"
	}
	var errs []error
	if !slices.Contains(Targets(), to) {
		errs = append(errs, fmt.Errorf("there is no export for %q; known: %v", to, Targets()))
	}
	if !nameRE.MatchString(in.Name) {
		errs = append(errs, fmt.Errorf("the name %q is not lower-case letters, digits and hyphens, at most 40 of them", in.Name))
	}
	if !strings.HasPrefix(in.Program, "/") || strings.ContainsFunc(in.Program, isControl) {
		errs = append(errs, fmt.Errorf("the program %q is not an absolute path", in.Program))
	}
	if in.Replicas < 0 {
		errs = append(errs, fmt.Errorf("%d replicas: want 1 or more, or 0 for what the layout says", in.Replicas))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p, err := partition.MakePlan(fresh(in.State, nil), in.Layout)
	if err != nil {
		return nil, err
	}
	e := &export{Input: in, to: to, targets: p.Targets}
	e.devices = units(in.State, p.Targets)
	return e, e.checkMPSUser()
}

// checkMPSUser refuses a user who cannot be told, or of whom there is nothing to tell.
func (e *export) checkMPSUser() error {
	_, err := strconv.ParseUint(e.MPSUser, 10, 32)
	switch {
	case e.MPSUser == "":
		return nil
	case strings.ContainsFunc(e.MPSUser, func(r rune) bool { return isControl(r) || r == ' ' }):
		return fmt.Errorf("the MPS user %q is no name", e.MPSUser)
	case !e.mps():
		return fmt.Errorf("the MPS user %s says nothing: the layout shares nothing through MPS", e.MPSUser)
	case e.to != Systemd && e.to != DockerCompose:
		return fmt.Errorf("the MPS user %s can be told for %s and %s alone", e.MPSUser, Systemd, DockerCompose)
	case e.to == DockerCompose && err != nil:
		return fmt.Errorf("the MPS user %s is no number, and containers know no other names of this host's users", e.MPSUser)
	}
	return nil
}

// fresh is the state without what stands in the way of a change only now; and with
// MIG as given and no instances, as after a boot, unless mig is nil.
func fresh(s partition.State, mig *bool) partition.State {
	out := s.Idle()
	if mig == nil {
		return out
	}
	for i := range out.GPUs {
		g := &out.GPUs[i]
		g.MIG.Current, g.Instances = *mig && g.MIG.Supported, nil
		g.MIG.Pending = g.MIG.Current
	}
	return out
}

func (e *export) lack(format string, args ...any) {
	e.lacks = append(e.lacks, fmt.Sprintf(format, args...))
}

// add adds a file with its header.
func (e *export) add(name string, mode fs.FileMode, about []string, body string) {
	e.files = append(e.files, File{Name: name, Mode: mode, Data: []byte(e.header(about) + body)})
}

// header is the comment at the head of every file.
func (e *export) header(about []string) string {
	var b strings.Builder
	line := func(lead, text string) { fmt.Fprintf(&b, "#%s%s\n", lead, clean(text)) }
	made := fmt.Sprintf("Made by evabench: gpu export %q --to %s", e.Layout.String(), e.to)
	if e.MPSUser != "" {
		made += " --mps-user " + e.MPSUser
	}
	line(" ", made)
	for _, g := range e.State.GPUs {
		line(" ", fmt.Sprintf("GPU %d: %s, %s", g.Index, g.Name, orElse(g.UUID, "a card of the built-in table, no GPU of a server")))
	}
	if e.State.System.Simulated {
		line(" ", "SIMULATED: these GPUs are simulated. Make the file anew on the real server.")
	}
	if names := e.assumed(); len(names) > 0 {
		line(" ", "ASSUMED: nobody recorded all values of "+strings.Join(names, ", ")+" on such a card. Make the file anew on the real server.")
	}
	section := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		line("", "")
		line(" ", title)
		for _, l := range lines {
			line("   ", l)
		}
	}
	section("Use:", about)
	section("Not brought back:", e.lacks)
	section("Undo:", e.undo)
	b.WriteString("\n")
	return b.String()
}

// assumed lists the profiles in use whose values are invented.
func (e *export) assumed() []string {
	var names []string
	for _, t := range e.targets {
		for _, s := range t.Slots {
			if s.Profile.Assumed && !slices.Contains(names, s.Profile.Name) {
				names = append(names, s.Profile.Name)
			}
		}
	}
	return names
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// clean keeps a text, such as a product name, within its line.
func clean(text string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if isControl(r) || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, text), " ")
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
