// Package roofline measures what this program's own load generator can do on
// this machine: against [stub], run as a child process on a processor of its own,
// through the same Drive, endpoints and loops as a run.
package roofline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/results"
)

// ServerCommand is the hidden subcommand that [Serve] stands behind.
const ServerCommand = "selftest-server"

// The phases, in their order.
const (
	Images  = "images"
	Small   = "small"
	Rates   = "rates"
	Streams = "streams"
)

// Phases lists all phases in their order.
func Phases() []string { return []string{Images, Small, Rates, Streams} }

// Options say what is measured. The zero value is all of it at full length.
type Options struct {
	// Command starts the child that calls Serve; nil means this program with
	// ServerCommand.
	Command []string
	Quick   bool
	Only    []string // phases; empty means all
	// Streams is the number of streams at once, each of 20 tokens a second, and
	// Rates the open loops' rates; zero and nil mean those of the length.
	Streams int
	Rates   []float64
	// Length is the window of each phase; 0 means that of Quick, or of full length.
	Length time.Duration
	// ServerCPU is where the child runs; nil means the last processor that this
	// process may use, if it has another for itself.
	ServerCPU *int
	// Tell takes a line about each phase before it begins; nil means nobody.
	Tell func(string)
}

// Measure measures. It takes about 3 s when quick and 30 s otherwise.
func Measure(ctx context.Context, o Options) (_ results.SelfTest, err error) {
	if err := o.Check(); err != nil {
		return results.SelfTest{}, err
	}
	if err := o.complete(); err != nil {
		return results.SelfTest{}, err
	}
	s := results.SelfTest{Measured: time.Now().UTC().Round(0), Quick: o.Quick}
	id, err := identify()
	if err != nil {
		return results.SelfTest{}, err
	}
	s.BinarySHA256, s.CPUModel, s.Boot = id.binary, id.cpu, id.boot

	runtime.LockOSThread() // its affinity is changed, and Drive runs on it
	defer runtime.UnlockOSThread()
	at, back, err := o.place()
	if err != nil {
		return results.SelfTest{}, err
	}
	defer func() { err = errors.Join(err, back()) }()
	s.ClientCPUs, s.ServerCPU = at.client, at.server

	m := &measurement{options: o, place: at, result: &s}
	before := ReadUse()
	for _, p := range o.Only {
		if err := m.phase(ctx, p); err != nil {
			return results.SelfTest{}, fmt.Errorf("selftest of %s: %w", p, err)
		}
	}
	after := ReadUse()
	s.Others, s.Stolen = before.Others(after), before.Stolen(after)
	s.Warnings = warningsOf(s)
	return s, nil
}

// Check tells all that is wrong with the options.
func (o *Options) Check() error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, p := range o.Only {
		if !slices.Contains(Phases(), p) {
			bad("unknown phase %q; known: %v", p, Phases())
		}
	}
	if o.Streams < 0 || o.Streams > 50_000 {
		bad("%d streams are not within 1 to 50000", o.Streams)
	}
	if o.Length < 0 || o.Length > time.Hour {
		bad("a length of %v is not within 0 and 1h", o.Length)
	}
	for _, r := range o.Rates {
		if !(r >= 1 && r <= 1e6) {
			bad("a rate of %v is not within 1 to 1e6", r)
		}
	}
	if o.ServerCPU != nil && (*o.ServerCPU < 0 || *o.ServerCPU >= 1024) {
		bad("there is no processor %d", *o.ServerCPU)
	}
	return errors.Join(faults...)
}

// complete fills in what was left out.
func (o *Options) complete() error {
	if len(o.Only) == 0 {
		o.Only = Phases()
	}
	if o.Rates == nil {
		o.Rates = []float64{1_000, 2_000, 10_000}
	}
	if o.Streams == 0 {
		if o.Streams = 5_000; o.Quick {
			o.Streams = 500
		}
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	if o.Command == nil {
		exe, err := os.Executable()
		if err != nil {
			return err
		}
		o.Command = []string{exe, ServerCommand}
	}
	return nil
}

// A place is where client and server run.
type place struct {
	client []int
	server *int // nil: on the client's
}

// place gives client and server processors of their own, if there are two, and
// puts the calling thread on the client's. The function given puts it back.
func (o *Options) place() (place, func() error, error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return place{}, nil, fmt.Errorf("read which processors may be used: %w", err)
	}
	p := place{client: cpusOf(all)}
	switch {
	case o.ServerCPU != nil:
		p.server = o.ServerCPU
	case len(p.client) > 1:
		p.server = &p.client[len(p.client)-1]
	}
	if p.server != nil && len(p.client) > 1 {
		last := *p.server
		p.client = slices.DeleteFunc(slices.Clone(p.client), func(cpu int) bool { return cpu == last })
		p.server = &last
	}
	if err := pin(p.client); err != nil {
		return place{}, nil, err
	}
	return p, func() error { return unix.SchedSetaffinity(0, &all) }, nil
}

func cpusOf(set unix.CPUSet) (all []int) {
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all
}

// allowed lists the processors that this thread may use.
func allowed() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("read which processors may be used: %w", err)
	}
	return cpusOf(set), nil
}

// pin puts the calling thread on the processors.
func pin(cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("use only the processors %v: %w", cpus, err)
	}
	return nil
}

// warningsOf tells what makes the figures worth less.
func warningsOf(s results.SelfTest) []results.Warning {
	var all []results.Warning
	add := func(code, subject, format string, args ...any) {
		all = append(all, results.Warning{Code: code, Subject: subject, Text: fmt.Sprintf(format, args...), Count: 1})
	}
	if s.ServerCPU == nil {
		add("selftest-shared-cpu", "", "client and server share one processor: the client can do more than this")
	}
	const much = 0.05
	if s.Others != nil && *s.Others > much {
		add("selftest-disturbed", "", "other processes used %.0f %% of the machine meanwhile: the client can do more than this", *s.Others*100)
	}
	const little = 0.01
	if s.Stolen != nil && *s.Stolen > little {
		add("selftest-stolen", "", "the host of this virtual machine took %.0f %% of its processors meanwhile: lateness and processor times hold that", *s.Stolen*100)
	}
	for _, p := range []struct {
		name string
		t    *results.Throughput
	}{{Images, s.Images}, {Small, s.Small}} {
		if p.t != nil && p.t.Failed > 0 {
			add("selftest-failed", p.name, "%d requests failed", p.t.Failed)
		}
	}
	for _, r := range s.Rates {
		if r.Failed > 0 || r.Lost > 0 {
			add("selftest-failed", Rates, "at %v/s %d requests failed and %d were lost", r.Rate, r.Failed, r.Lost)
		}
	}
	if t := s.Streams; t != nil && (t.Failed > 0 || t.Lost != 0) {
		add("selftest-failed", Streams, "%d streams failed and %d tokens were lost", t.Failed, t.Lost)
	}
	return all
}
