// Package host reads the machine on which evabench runs: processors, memory, network,
// how long work waits for a processor, and what each service's processes use. evabench's
// own process is the source client's. The program says which processes there are, so
// this source is no kind that a service's scrape can name.
package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// Name is the source's name in Observations.
const Name = "host"

// The series of the host. Totals count from its start and have evabench itself in them.
const (
	SeriesCPUs   = "host:cpus"                     // 1
	SeriesBusy   = "host:cpu_busy_seconds_total"   // of all processors, s
	SeriesIdle   = "host:cpu_idle_seconds_total"   // idle, and idle while a disk is waited for, s
	SeriesStolen = "host:cpu_stolen_seconds_total" // by other virtual machines, s
	// SeriesRunnable is how many threads run or want to at the moment of the reading, 1.
	SeriesRunnable = "host:runnable_threads"
	// SeriesRunQueue is how long threads waited for a processor, added up over all
	// threads, s. A kernel may not tell it.
	SeriesRunQueue = "host:run_queue_seconds_total"
	// The time in which a thread or more waited for a processor, for memory, or for a
	// disk (Linux's pressure stall information, "some"), s.
	SeriesCPUPressure    = "host:cpu_pressure_seconds_total"
	SeriesMemoryPressure = "host:memory_pressure_seconds_total"
	SeriesIOPressure     = "host:io_pressure_seconds_total"

	SeriesMemoryTotal     = "host:memory_total_bytes"     // B
	SeriesMemoryAvailable = "host:memory_available_bytes" // without swapping, the kernel's guess, B
	SeriesSwapUsed        = "host:swap_used_bytes"        // B

	// Of each network interface, which is the subject's detail; loopback counts what it
	// carries as received and as sent.
	SeriesReceived = "host:network_received_bytes_total"  // B
	SeriesSent     = "host:network_sent_bytes_total"      // B
	SeriesDropped  = "host:network_dropped_packets_total" // both ways, errors too, 1
	// Of TCP over all interfaces.
	SeriesRetransmitted = "host:tcp_retransmitted_segments_total" // 1
	SeriesListenDropped = "host:tcp_listen_dropped_total"         // connections refused as a server did not accept them in time, 1
)

// A Process is the root of a service's processes.
type Process struct {
	Name string // the service instance's
	PID  int
	// Keeper says that the process only keeps the service: what it started counts, and
	// what it has waited for, but not itself.
	Keeper bool
}

// New gives the source of the host and of the processes that are told at each read, with
// all of their descendants; nil for none.
func New(processes func() ([]Process, error)) collectors.Source {
	return source{procfs.DefaultMountPoint, processes}
}

type source struct {
	proc      string // the folder
	processes func() ([]Process, error)
}

// Collector reads the host, which is target's Subject; target has no URL.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	if target.URL != "" {
		return nil, errors.New("the host has no URL")
	}
	proc, err := procfs.NewFS(s.proc)
	if err != nil {
		return nil, fmt.Errorf("read the host: %w", err)
	}
	c := &collector{proc: proc, subject: target.Subject, processes: s.processes, untold: make(map[string]bool)}
	c.trees.proc = proc
	return c, nil
}

type collector struct {
	proc      procfs.FS
	subject   results.Subject
	processes func() ([]Process, error)
	untold    map[string]bool // what the kernel does not tell
	trees     trees
	readings  []collectors.Reading // of the read at hand
}

// WarnNotTold is the code of the warning that names what this machine's kernel does not
// tell at all.
const WarnNotTold = "host-not-told"

// Read reads /proc once. A part that cannot be read is an error and hides no other; what
// the kernel does not tell at all is none: Warnings names it.
func (c *collector) Read(ctx context.Context) ([]collectors.Reading, error) {
	c.readings = nil
	var faults []error
	for _, part := range []struct {
		name string
		read func() error
	}{
		{"stat", c.cpu}, {"schedstat", c.runQueue}, {"pressure/cpu", c.pressure("cpu", SeriesCPUPressure)},
		{"pressure/memory", c.pressure("memory", SeriesMemoryPressure)}, {"pressure/io", c.pressure("io", SeriesIOPressure)},
		{"meminfo", c.memory}, {"net/dev", c.network}, {"net/snmp", c.tcp}, {"net/netstat", c.listen},
	} {
		err := guard(part.read)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EOPNOTSUPP): // such as started with psi=0
			c.untold[part.name] = true
		default:
			faults = append(faults, fmt.Errorf("read /proc/%s: %w", part.name, err))
		}
	}
	if c.processes != nil {
		list, err := c.processes()
		if err != nil {
			faults = append(faults, fmt.Errorf("find the services' processes: %w", err))
		} else if err := c.trees.read(ctx, list, time.Now(), c.put); err != nil {
			faults = append(faults, err)
		}
	}
	return c.readings, errors.Join(faults...)
}

// Warnings names what the kernel did not tell.
func (c *collector) Warnings() []results.Warning {
	if len(c.untold) == 0 {
		return nil
	}
	parts := slices.Sorted(maps.Keys(c.untold))
	return []results.Warning{{
		Code: WarnNotTold, Subject: c.subject.ID, Count: int64(len(parts)),
		Text: "the kernel does not tell /proc/" + strings.Join(parts, ", /proc/") + ": the host's series of them are unknown",
	}}
}

// guard makes a panic of procfs an error: some of its parsers (0.15: meminfo) index into
// lines that no kernel writes, and nothing that is read may end the program.
func guard(read func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("it is not in the kernel's format: %v", fault)
		}
	}()
	return read()
}

// put notes a reading.
func (c *collector) put(subject results.Subject, series string, value float64, unit string) {
	c.readings = append(c.readings, collectors.Reading{Subject: subject, Series: series, Value: value, Unit: unit})
}

func (c *collector) add(series string, value float64, unit string) {
	c.put(c.subject, series, value, unit)
}

func (c *collector) cpu() error {
	stat, err := c.proc.Stat()
	if err != nil {
		return err
	}
	t := stat.CPUTotal // guests' time is within User and Nice
	busy := t.User + t.Nice + t.System + t.IRQ + t.SoftIRQ
	if len(stat.CPU) == 0 || busy+t.Idle == 0 { // a sandbox may show zeros
		return errors.New("it tells of no processor time")
	}
	c.add(SeriesCPUs, float64(len(stat.CPU)), "1")
	c.add(SeriesBusy, busy, "s")
	c.add(SeriesIdle, t.Idle+t.Iowait, "s")
	c.add(SeriesStolen, t.Steal, "s")
	if stat.ProcessesRunning > 0 { // we run: no kernel means the 0
		c.add(SeriesRunnable, float64(stat.ProcessesRunning), "1")
	}
	return nil
}

func (c *collector) runQueue() error {
	stat, err := c.proc.Schedstat()
	if err != nil {
		return err
	}
	if len(stat.CPUs) == 0 {
		return fmt.Errorf("it tells of no processor: %w", fs.ErrNotExist)
	}
	var waited time.Duration
	for _, cpu := range stat.CPUs {
		waited += time.Duration(cpu.WaitingNanoseconds)
	}
	c.add(SeriesRunQueue, waited.Seconds(), "s")
	return nil
}

func (c *collector) pressure(resource, series string) func() error {
	return func() error {
		stats, err := c.proc.PSIStatsForResource(resource)
		if err != nil {
			return err
		}
		if stats.Some == nil {
			return errors.New("it has no line some")
		}
		c.add(series, (time.Duration(stats.Some.Total) * time.Microsecond).Seconds(), "s")
		return nil
	}
}

func (c *collector) memory() error {
	m, err := c.proc.Meminfo()
	if err != nil {
		return err
	}
	put := func(series string, kib *uint64) {
		if kib != nil {
			c.add(series, float64(*kib)*1024, "B")
		}
	}
	put(SeriesMemoryTotal, m.MemTotal)
	put(SeriesMemoryAvailable, m.MemAvailable)
	if m.SwapTotal != nil && m.SwapFree != nil && *m.SwapFree <= *m.SwapTotal {
		used := *m.SwapTotal - *m.SwapFree
		put(SeriesSwapUsed, &used)
	}
	return nil
}
