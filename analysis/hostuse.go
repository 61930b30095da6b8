package analysis

import (
	"slices"
	"strings"

	"github.com/evabench/evabench/results"
)

// A HostUse is what the machine that evabench ran on, or the simulated server, did in a
// step's window. It is the servers' machine where Processes are known: those were
// started there.
type HostUse struct {
	// Busy is the share of all processors' time that was used, Stolen the share that
	// other virtual machines took, Stalled that of the window in which some thread
	// waited for a processor, by the kernel's account of pressure.
	Processors Value `json:"processors"`
	Busy       Value `json:"busy"`
	Stolen     Value `json:"stolen"`
	Stalled    Value `json:"stalled"`
	// Retransmitted are TCP segments that were sent again, Refused the connections that
	// a server did not accept in time, each a second.
	Retransmitted Value `json:"retransmitted_per_second"`
	Refused       Value `json:"refused_per_second"`
	// Processes are those of the services' instances, by name; empty if none was read.
	Processes []ProcessUse `json:"processes,omitempty"`
}

// A ProcessUse is what an instance's processes did in a step's window, all together.
type ProcessUse struct {
	Instance string `json:"instance"`
	// Cores is their processor time ÷ the window's, Waiting how many of their threads
	// waited for a processor, on average.
	Cores   Value `json:"cores"`
	Waiting Value `json:"waiting_threads"`
}

// beside takes an observation of the host, of an instance's processes, of what DCGM tells of
// a device, or of its page, and reports whether it was one.
func (d *deviceReadings) beside(o results.Observation, steps []stepFacts) bool {
	switch {
	case o.Source == "host" && o.Subject.Kind == results.SubjectHost:
		if o.Subject.Detail == "" { // else a network interface
			d.keep(hostKey+o.Subject.ID, o, steps)
		}
	case o.Source == "host" && o.Subject.Kind == results.SubjectProcess:
		d.keep(processKey+o.Subject.ID, o, steps)
	case o.Source == "dcgm" && o.Series == "DCGM_FI_DEV_FB_USED":
		d.keep(o.Subject.ID, o, steps)
	case o.Source == "dcgm" && strings.HasPrefix(o.Series, "DCGM_FI_PROF_"):
		d.told = true
		d.keep(o.Subject.ID, o, steps)
	case o.Source == "dcgm" && (o.Series == seriesUnchanged || o.Series == seriesInterval):
		d.keep(dcgmKey, o, steps)
	default:
		return false
	}
	return true
}

// What the series of no device are kept under, which no UUID is.
const (
	hostKey    = "host:"
	processKey = "process:"
	dcgmKey    = "dcgm:" // the page; a run reads one
)

// host tells of a machine in a window: of a simulated server its own, whose name is the
// subject, else the one that was read. It is nil where nothing was read of it.
func (d *deviceReadings) host(w window, simulated string) *HostUse {
	machine := hostKey + simulated
	for key := range d.series {
		if simulated == "" && strings.HasPrefix(key, hostKey) {
			machine = max(machine, key) // there is one
		}
	}
	if len(d.series[machine]) == 0 {
		return nil
	}
	of := d.of(machine, w)
	u := &HostUse{
		Processors:    of.most("1", "host:cpus"),
		Stalled:       of.growth("ratio", "host:cpu_pressure_seconds_total"),
		Retransmitted: of.growth("1/s", "host:tcp_retransmitted_segments_total"),
		Refused:       of.growth("1/s", "host:tcp_listen_dropped_total"),
	}
	busy, idle := of.growth("ratio", "host:cpu_busy_seconds_total"), of.growth("ratio", "host:cpu_idle_seconds_total")
	stolen := of.growth("ratio", "host:cpu_stolen_seconds_total")
	all := idle
	if idle.Known() {
		all = sum(busy, idle)
	}
	u.Busy, u.Stolen = shareOf(busy, all), shareOf(stolen, u.Processors)
	for key := range d.series {
		name, ok := strings.CutPrefix(key, processKey)
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, "/")
		p := d.of(key, w)
		one := ProcessUse{Instance: name, Cores: p.growth("1", "host:process_cpu_seconds_total"), Waiting: p.growth("1", "host:process_run_queue_seconds_total")}
		if one.Cores.Known() || one.Waiting.Known() {
			u.Processes = append(u.Processes, one)
		}
	}
	slices.SortFunc(u.Processes, func(a, b ProcessUse) int { return strings.Compare(a.Instance, b.Instance) })
	return u
}

// shareOf is part ÷ whole, both of one unit.
func shareOf(part, whole Value) Value {
	switch {
	case !part.Known():
		return unknown("ratio", part.Why)
	case !whole.Known():
		return unknown("ratio", whole.Why)
	case *whole.Number <= 0:
		return unknown("ratio", "no time passed")
	}
	return known(*part.Number / *whole.Number, "ratio")
}

// either is the first that is known, else the first.
func either(list ...Value) Value {
	for _, v := range list {
		if v.Known() {
			return v
		}
	}
	return list[0]
}
