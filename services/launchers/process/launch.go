package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// values are what the names of templates stand for in one instance.
type values struct {
	instance services.Instance
	port     int
}

// value gives one of them.
func (v *values) value(name string) (string, error) {
	if n, ok := portOf(name); ok {
		return strconv.Itoa(v.port + n), nil
	}
	i := v.instance
	switch name {
	case "name":
		return i.Name, nil
	case "device":
		if i.Device.UUID == "" {
			return "", errors.New("{device}: the instance is on no device")
		}
		return i.Device.UUID, nil
	case "dir":
		dir := filepath.Join(i.LogDir, i.Name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", fmt.Errorf("{dir}: %w", err)
		}
		return filepath.Abs(dir)
	case "models":
		var names []string
		for _, m := range i.Models {
			names = append(names, m.Name)
		}
		return strings.Join(names, ","), nil
	}
	if of, ok := strings.CutPrefix(name, "params."); ok {
		if value, ok := i.Params[of]; ok {
			return value, nil
		}
		return "", fmt.Errorf("{%s}: the configuration has no parameter %s.%s; give it in matrix: params", name, i.Service, of)
	}
	of := strings.TrimPrefix(name, "workers.")
	for _, m := range i.Models {
		if m.Name == of {
			return strconv.Itoa(m.Workers), nil
		}
	}
	return "", fmt.Errorf("{%s}: service %s has no model %q", name, i.Service, of)
}

// Launch starts one instance and returns when its process runs. A fault is told
// before anything starts, but for what only the kernel knows.
func (l *launcher) Launch(ctx context.Context, i services.Instance) (_ services.Service, err error) {
	if n := l.config.Instances; n > 0 && i.Index >= n {
		return nil, fmt.Errorf("%s is instance %d of %d", i.Name, i.Index+1, n)
	}
	if i.Name == "" || strings.ContainsAny(i.Name, "/\x00") || i.LogDir == "" {
		return nil, fmt.Errorf("instance %q has no name for files, or no folder for its log", i.Name)
	}
	if err := errors.Join(l.checkCPUs(), l.checkPassed()); err != nil {
		return nil, err
	}
	first, err := l.takePorts(i.Index)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.ports.giveBack(first, l.width)
		}
	}()
	v := &values{instance: i, port: first}
	order, warnings, err := l.order(v)
	if err != nil {
		return nil, err
	}
	info, err := l.info(v)
	if err != nil {
		return nil, err
	}
	p, err := supervise.Start(ctx, order)
	if err != nil {
		return nil, err
	}
	s := &service{process: p, info: info, log: order.Log.Path, warnings: warnings}
	s.free = sync.OnceFunc(func() { l.ports.giveBack(first, l.width) })
	if l.config.Health != "" {
		return checked{s, strings.TrimRight(info.URL, "/") + l.config.Health}, nil
	}
	return s, nil
}

func (l *launcher) takePorts(index int) (first int, err error) {
	if l.config.Port == 0 {
		return l.ports.free(l.width)
	}
	first = l.config.Port + index*l.width
	return first, l.ports.fixed(first, l.width)
}

// order says what is to be run.
func (l *launcher) order(v *values) (o supervise.Order, warnings []results.Warning, err error) {
	i := v.instance
	var faults []error
	for n, t := range l.argv {
		arg, err := t.expand(v.value)
		if err != nil {
			faults = append(faults, fmt.Errorf("argv[%d]: %w", n, err))
		}
		o.Argv = append(o.Argv, arg)
	}
	env, overridden, err := l.environment(v, i.Device.Env)
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
	o.CPUs, o.Signal, o.Grace = l.cpus, l.signal, l.config.Stop.Grace
	o.Log = supervise.Log{
		Path: filepath.Join(i.LogDir, i.Name+".log"), MaxBytes: l.config.Log.MaxBytes, Keep: l.config.Log.Keep, Hide: l.hidden(),
	}
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

// info tells the addresses.
func (l *launcher) info(v *values) (results.Instance, error) {
	i := v.instance
	info := results.Instance{Service: i.Service, Name: i.Name, Device: i.Device.UUID}
	var err error
	if info.URL, err = l.url.expand(v.value); err != nil {
		return info, fmt.Errorf("url: %w", err)
	}
	for _, kind := range slices.Sorted(maps.Keys(l.scrapes)) {
		page, err := l.scrapes[kind].expand(v.value)
		if err != nil {
			return info, fmt.Errorf("scrapes.%s: %w", kind, err)
		}
		info.Scrapes = append(info.Scrapes, results.Scrape{Kind: kind, URL: page})
	}
	for _, m := range i.Models {
		if info.Workers == nil {
			info.Workers = map[string]int{}
		}
		info.Workers[m.Name] = m.Workers
	}
	return info, nil
}

// A service is a process that was started.
type service struct {
	process  *supervise.Process
	info     results.Instance
	log      string
	warnings []results.Warning
	free     func() // gives the ports back

	mu      sync.Mutex
	stopped bool // by us, before it ended by itself
}

// Info tells the addresses.
func (s *service) Info() results.Instance { return s.info }

// Warnings is what was seen at launch.
func (s *service) Warnings() []results.Warning { return slices.Clone(s.warnings) }

// LogTail gives the log's file and its last lines.
func (s *service) LogTail() (file string, last []string) { return s.log, supervise.Tail(s.log) }

// Stop ends the process and all that it started, and waits until all is gone or
// ctx ends; then all is killed and an error may be returned.
func (s *service) Stop(ctx context.Context) error {
	s.mu.Lock()
	if _, ended := s.process.Exit(); !ended {
		s.stopped = true
	}
	s.mu.Unlock()
	if err := s.process.Stop(ctx); err != nil {
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
	return &services.ExitError{Status: e.Status, Signal: e.Signal, OOM: e.OOM, Fault: e.Fault, LogFile: s.log, Log: e.Tail}
}

// checked is a service with a page that tells whether it is up.
type checked struct {
	*service
	page string
}

// Check asks the page once.
func (c checked) Check(ctx context.Context) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, c.page, nil)
	if err != nil {
		return err
	}
	// A transport of its own keeps no connection, and obeys no proxy.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if a.StatusCode < 200 || a.StatusCode > 299 {
		said, _ := io.ReadAll(io.LimitReader(a.Body, 200)) // what came is enough
		return fmt.Errorf("%s answers %s: %.200q", c.page, a.Status, said)
	}
	return nil
}
