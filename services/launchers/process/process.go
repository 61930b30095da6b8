// Package process starts services as processes of this machine, each pinned to
// its device by its environment, and ends them with all of their descendants.
package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/spawn"
)

// Config says how an instance is started; [spawn.Config] says what a template
// is.
type Config struct {
	// Argv is the program and its arguments, each a template. A program without
	// a slash is looked for in the PATH of Env, else in ours.
	Argv []string `yaml:"argv"`
	// Folder is the working folder, a template; empty means ours.
	Folder string `yaml:"folder"`
	// The environment is also [Passed] from ours.
	spawn.Config `yaml:",inline"`
}

// Kind is the launcher for processes of this machine.
var Kind = kind.New("process", "processes of this machine, pinned to their devices", Config{Config: spawn.Defaults}, New)

// New checks all that can be seen without a side effect, and tells all faults at
// once. What it makes implements [services.Probed] and [services.Patient], and
// [services.Fixed] if Instances says so.
func New(c Config) (services.Launcher, error) {
	l := &launcher{config: c, server: spawn.Read(c.Config)}
	var faults []error
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		faults = append(faults, errors.New("argv is empty; give the program and its arguments"))
	}
	for i, text := range c.Argv {
		l.argv = append(l.argv, l.server.Template(fmt.Sprintf("argv[%d]", i), text))
	}
	faults = append(faults, spawn.CheckArgv(c.Argv)...)
	l.folder = l.server.Template("folder", c.Folder)
	if err := errors.Join(append(faults, l.server.Check()...)...); err != nil {
		return nil, fmt.Errorf("launcher process: %w", err)
	}
	if c.Instances > 0 {
		return fixed{l}, nil
	}
	return l, nil
}

// A launcher starts instances of one service.
type launcher struct {
	config Config
	server *spawn.Server
	argv   []spawn.Template
	folder spawn.Template
}

// fixed is a launcher that counts its instances itself.
type fixed struct{ *launcher }

// Instances is how many there are.
func (f fixed) Instances() int { return f.config.Instances }

// Starts tells what is run for each instance.
func (l *launcher) Starts() []string {
	return []string{"run for each instance: " + l.config.Show(l.config.Folder, l.config.Argv)}
}

// Patience is the longest time from launch to the first right answer.
func (l *launcher) Patience() time.Duration { return l.server.Patience() }

// Probe tells, before anything is changed, what is missing: program, folder,
// processors, variables, ports.
func (l *launcher) Probe(context.Context) error {
	faults := []error{l.server.CheckCPUs(), l.server.CheckPassed()}
	folder, err := l.workingFolder(nil)
	if !errors.Is(err, errNotYet) {
		faults = append(faults, err)
	}
	if err == nil && l.argv[0].Fixed() {
		_, err := l.program(folder, l.config.Argv[0])
		faults = append(faults, err)
	}
	return errors.Join(append(faults, l.server.CheckPorts())...)
}
