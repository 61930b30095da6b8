package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/identity"
	"github.com/evabench/evabench/services/spawn"
)

// Launch starts one instance and returns when its process runs. A fault is told
// before anything starts, but for what only the kernel knows.
func (l *launcher) Launch(ctx context.Context, i services.Instance) (_ services.Service, err error) {
	if err := l.server.CheckCPUs(); err != nil {
		return nil, err
	}
	v, free, err := l.server.Begin(i)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			free()
		}
	}()
	order, warnings, err := l.order(v)
	if err != nil {
		return nil, err
	}
	info, err := l.server.Info(v)
	if err != nil {
		return nil, err
	}
	faultPage, err := l.server.FaultPage(v)
	if err != nil {
		return nil, err
	}
	questions, err := l.server.Identity(v)
	if err != nil {
		return nil, err
	}
	p, err := supervise.Start(ctx, order)
	if err != nil {
		return nil, err
	}
	s := &service{process: p, info: info, log: order.Log.Path, warnings: warnings, free: free, life: life{l, order, faultPage}}
	page := l.server.Page(info)
	switch {
	case page != "" && len(questions) > 0:
		return checkedIdentified{checked{s, page}, questions}, nil
	case page != "":
		return checked{s, page}, nil
	case len(questions) > 0:
		return identified{s, questions}, nil
	default:
		return s, nil
	}
}

// order says what is to be run.
func (l *launcher) order(v *spawn.Values) (o supervise.Order, warnings []results.Warning, err error) {
	i := v.Instance
	var faults []error
	for n, t := range l.argv {
		arg, err := t.Expand(v.Of)
		if err != nil {
			faults = append(faults, fmt.Errorf("argv[%d]: %w", n, err))
		}
		o.Argv = append(o.Argv, arg)
	}
	env, overridden, err := l.server.Environment(v, Passed, i.Device.Env)
	faults = append(faults, err)
	if o.Dir, err = l.workingFolder(v); err != nil {
		faults = append(faults, err)
	} else if program, err := l.program(o.Dir, o.Argv[0]); err != nil && o.Argv[0] != "" {
		faults = append(faults, err)
	} else {
		o.Argv[0] = program
	}
	if err := errors.Join(faults...); err != nil {
		return o, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		o.Env = append(o.Env, name+"="+env[name])
	}
	if v, ok := env["CUDA_VISIBLE_DEVICES"]; ok && bareMIGForVLLM(o.Argv, v) {
		warnings = append(warnings, results.Warning{Code: "vllm-mig-uuid", Subject: i.Name, Count: 1, Text: vllmMIG})
	}
	for _, name := range overridden {
		warnings = append(warnings, results.Warning{Code: "env-of-device", Subject: i.Name, Count: 1,
			Text: fmt.Sprintf("env's %s was not used: the device %s sets it", name, i.Device.Name)})
	}
	o.CPUs, o.Signal, o.Grace, o.Log = l.server.CPUs, l.server.Signal, l.server.Config.Stop.Grace, l.server.Log(i)
	return o, warnings, nil
}

// vllmMIG is vLLM's trouble with MIG devices that it is told by UUID; the issues
// are vllm-project/vllm's.
const vllmMIG = "vLLM with a MIG UUID in CUDA_VISIBLE_DEVICES: many versions end at start, " +
	"reading the UUID as a number (#6551, #17047, #20939, #32569, #41848), and later ones may see the parent GPU's memory (#50463); " +
	"it works in a container that is given the MIG device alone (launcher docker)"

// bareMIGForVLLM reports whether what looks like vLLM is told a MIG UUID.
func bareMIGForVLLM(argv []string, visible string) bool {
	return strings.Contains(visible, "MIG-") &&
		slices.ContainsFunc(argv, func(a string) bool { return strings.Contains(strings.ToLower(a), "vllm") })
}

// A service is a process that was started.
type service struct {
	info     results.Instance
	known    identity.Known
	log      string
	warnings []results.Warning
	free     func() // gives the ports back
	life     life

	starting sync.Mutex // held while it is started again
	mu       sync.Mutex // guards the rest
	process  *supervise.Process
	earlier  int64  // what its earlier processes counted of memory that ran out
	logFault string // of an earlier process; empty if there was none
	stopped  bool   // by us, before it ended by itself
	closed   bool   // by us, at any time
}

// Info tells the addresses, and what the server said of itself.
func (s *service) Info() results.Instance {
	info := s.info
	info.Version = s.known.Version("")
	return info
}

// Warnings is what was seen at launch.
func (s *service) Warnings() []results.Warning { return slices.Clone(s.warnings) }

// LogTail gives the log's file and its last lines.
func (s *service) LogTail() (file string, last []string) { return s.log, supervise.Tail(s.log) }

// LogFault tells why the log has gaps.
func (s *service) LogFault() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, _ := s.process.Exit()
	return cmp.Or(s.logFault, e.LogFault)
}

// Stop ends the process and all that it started, and waits until all is gone or
// ctx ends; then all is killed and an error may be returned.
func (s *service) Stop(ctx context.Context) error {
	s.starting.Lock()
	s.mu.Lock()
	p := s.process
	if _, ended := p.Exit(); !ended {
		s.stopped = true
	}
	s.closed = true
	s.mu.Unlock()
	s.starting.Unlock()
	if err := p.Stop(ctx); err != nil {
		return err
	}
	s.free()
	return nil
}

// Err tells how the process ended by itself.
func (s *service) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ended := s.process.Exit()
	if !ended || s.stopped {
		return nil
	}
	return &services.ExitError{Status: e.Status, Signal: e.Signal, OOM: e.OOM, Fault: e.Fault, LogFile: s.log, Log: e.Tail, LogFault: e.LogFault}
}

// checked is a service with a page that tells whether it is up.
type checked struct {
	*service
	page string
}

// Check asks the page once.
func (c checked) Check(ctx context.Context) error {
	return c.life.launcher.server.Ask(ctx, c.info, c.page)
}
