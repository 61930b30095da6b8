package external

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/spawn"
)

// A Command is a program of the user's that changes the servers. It runs to its
// end; what it left running of its own is ended then.
type Command struct {
	// Argv is the program and its arguments. A program without a slash is looked
	// for in our PATH. Argv, Env and Folder are templates: {params.NAME},
	// {workers.MODEL}, {models}, and where one instance is meant {name}.
	Argv []string `yaml:"argv"`
	// Env is added to what is passed of our environment: PATH, LD_LIBRARY_PATH,
	// HOME, USER, TMPDIR, LANG, LC_ALL, TZ and PassEnv. The variables that begin with EVABENCH_ win over it.
	Env map[string]string `yaml:"env"`
	// PassEnv names variables of ours that are passed on; their values are hidden
	// in logs.
	PassEnv []string `yaml:"pass_env"`
	// Folder is the working folder; empty means ours.
	Folder string `yaml:"folder"`
	// Timeout is the longest time that it may take; 0 means 10m.
	Timeout time.Duration `yaml:"timeout"`
}

// passed are the variables of our own environment that every command gets.
var passed = []string{"PATH", "LD_LIBRARY_PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "TZ"}

// DefaultTimeout is how long a command may take that says nothing else.
const DefaultTimeout = 10 * time.Minute

// stopGrace is how long a command may take to end once it is asked to.
const stopGrace = 10 * time.Second

// A command is a Command that was read.
type command struct {
	what    string // "adapt", for faults and its log's name
	config  Command
	server  *spawn.Server // its templates and its environment
	argv    []spawn.Template
	folder  spawn.Template
	timeout time.Duration
}

// read reads one, and tells its faults; one without argv is none.
func read(what string, c Command, ofInstance bool) (*command, []error) {
	if len(c.Argv) == 0 {
		if len(c.Env) > 0 || len(c.PassEnv) > 0 || c.Folder != "" || c.Timeout != 0 {
			return nil, []error{fmt.Errorf("%s: argv is empty; give the program and its arguments", what)}
		}
		return nil, nil
	}
	settings := spawn.Defaults // a server that is never started, for its texts and variables
	settings.Env, settings.PassEnv = c.Env, c.PassEnv
	k := &command{what: what, config: c, server: spawn.Read(settings), timeout: c.Timeout}
	for i, text := range c.Argv {
		k.argv = append(k.argv, k.server.Template(fmt.Sprintf("argv[%d]", i), text))
	}
	k.folder = k.server.Template("folder", c.Folder)
	faults := append(k.server.Check(), spawn.CheckArgv(c.Argv)...)
	if c.Argv[0] == "" || !k.argv[0].Fixed() {
		faults = append(faults, fmt.Errorf("argv[0]: %q is no program: it is the same in every configuration", c.Argv[0]))
	}
	for _, t := range slices.Concat(k.argv, slices.Collect(maps.Values(k.server.Env)), []spawn.Template{k.folder}) {
		for _, name := range t.Names() {
			family, _, _ := strings.Cut(name, ".")
			if !slices.Contains([]string{"params", "workers", "models"}, family) && !(ofInstance && name == "name") {
				faults = append(faults, fmt.Errorf("{%s} means nothing here; the environment variables EVABENCH_… tell the rest", name))
			}
		}
	}
	for name := range c.Env {
		if strings.HasPrefix(name, "EVABENCH_") {
			faults = append(faults, fmt.Errorf("env.%s: names that begin with EVABENCH_ are evabench's", name))
		}
	}
	if c.Timeout < 0 {
		faults = append(faults, fmt.Errorf("timeout: %s is no time to wait", c.Timeout))
	}
	if c.Timeout == 0 {
		k.timeout = DefaultTimeout
	}
	for i, err := range faults {
		faults[i] = fmt.Errorf("%s: %w", what, err)
	}
	return k, faults
}

// probe tells what is missing: program, folder, variables. No command misses
// nothing.
func (k *command) probe() error {
	if k == nil {
		return nil
	}
	faults := []error{k.server.CheckPassed()}
	folder := ""
	var err error
	if k.folder.Fixed() {
		if folder, err = spawn.Folder(k.config.Folder); err != nil {
			faults = append(faults, err)
		}
	}
	if err == nil && (k.folder.Fixed() || filepath.IsAbs(k.config.Argv[0]) || !strings.Contains(k.config.Argv[0], "/")) {
		_, err := spawn.Program(folder, k.config.Argv[0], os.Getenv("PATH"))
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("%s: %w", k.what, err)
	}
	return nil
}

// A call says what one run of a command is about.
type call struct {
	about     string            // the instance's or the service's name, for faults and its log's name
	instance  services.Instance // for templates
	variables map[string]string // over all others
	logDir    string
}

// startable tells why the command cannot be started.
func (k *command) startable(c call) error {
	if _, err := k.order(c); err != nil {
		return k.refusal(c, err)
	}
	return nil
}

func (k *command) refusal(c call, err error) error {
	return fmt.Errorf("%s of %s: %w", k.what, c.about, err)
}

// run runs the command to its end: nil is exit status 0. When ctx or the timeout
// ends, all that it started is ended first.
func (k *command) run(ctx context.Context, c call) error {
	o, err := k.order(c)
	if err != nil {
		return k.refusal(c, err)
	}
	late := fmt.Errorf("it took longer than its timeout of %s", k.timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, k.timeout, late)
	defer cancel()
	if err := k.wait(ctx, o); err != nil {
		return fmt.Errorf("%s of %s: %s: %w", k.what, c.about, strings.Join(o.Argv, " "), err)
	}
	return nil
}

// wait starts the order and waits for its end.
func (k *command) wait(ctx context.Context, o supervise.Order) error {
	p, err := supervise.Start(ctx, o)
	if err != nil {
		return err
	}
	var cause error
	select {
	case <-p.Gone():
	case <-ctx.Done():
		cause = context.Cause(ctx)
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace+5*time.Second)
		defer cancel()
		if err := p.Stop(stopping); err != nil {
			return errors.Join(cause, err)
		}
	}
	e, _ := p.Exit()
	if cause != nil {
		return fmt.Errorf("%w; it was ended%s", cause, services.LogText(o.Log.Path, e.Tail))
	}
	if e.Status == 0 && e.Signal == 0 && e.Fault == "" {
		return nil
	}
	return &services.ExitError{Status: e.Status, Signal: e.Signal, OOM: e.OOM, Fault: e.Fault, LogFile: o.Log.Path, Log: e.Tail, LogFault: e.LogFault}
}

// order says what is to be run.
func (k *command) order(c call) (o supervise.Order, err error) {
	v := &spawn.Values{Instance: c.instance}
	var faults []error
	for i, t := range k.argv {
		arg, err := t.Expand(v.Of)
		if err != nil {
			faults = append(faults, fmt.Errorf("argv[%d]: %w", i, err))
		}
		o.Argv = append(o.Argv, arg)
	}
	env, _, err := k.server.Environment(v, passed, c.variables)
	faults = append(faults, err, k.server.CheckPassed())
	folder, err := k.folder.Expand(v.Of)
	if err == nil {
		o.Dir, err = spawn.Folder(folder)
	}
	faults = append(faults, err)
	if err := errors.Join(faults...); err != nil {
		return o, err
	}
	if o.Argv[0], err = spawn.Program(o.Dir, o.Argv[0], os.Getenv("PATH")); err != nil {
		return o, err
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		o.Env = append(o.Env, name+"="+env[name])
	}
	o.Grace = stopGrace
	o.Unmarked = true // a daemon that it asks may start the servers with its environment
	o.Log = k.server.Log(services.Instance{Name: c.about + "-" + k.what, LogDir: c.logDir})
	return o, nil
}
