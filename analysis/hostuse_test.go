package analysis

import (
	"math"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// Counters of two machines and of a process, read each second of a window of 100 s.
func TestHostUse(t *testing.T) {
	c := loadedSteps(1)
	d := &deviceReadings{}
	tell := func(kind results.SubjectKind, id, detail, series string, perSecond, at float64) {
		o := results.Observation{
			At: at0(time.Duration(at * float64(time.Second))), Source: "host", Subject: results.Subject{Kind: kind, ID: id, Detail: detail},
			Series: series, Value: 1000 + perSecond*at,
		}
		if !d.add(o, c.steps) {
			t.Fatalf("%s was not taken", series)
		}
	}
	for at := 0.0; at <= 100; at++ {
		for name, busy := range map[string]float64{"node": 1.5, "pro6000x1": 6} {
			tell(results.SubjectHost, name, "", "host:cpu_busy_seconds_total", busy, at)
			tell(results.SubjectHost, name, "", "host:cpu_idle_seconds_total", 8-busy, at)
			tell(results.SubjectHost, name, "eth0", "host:network_dropped_packets_total", 5, at)
		}
		tell(results.SubjectHost, "node", "", "host:tcp_retransmitted_segments_total", 3, at)
		tell(results.SubjectProcess, "vision-1/12", "", "host:process_cpu_seconds_total", 2, at)
		tell(results.SubjectProcess, "vision-0/11", "", "host:process_cpu_seconds_total", 0.5, at)
		tell(results.SubjectProcess, "vision-0/11", "", "host:process_run_queue_seconds_total", 0.25, at)
	}
	w := window{0, at0(100 * time.Second)}
	is := func(what string, v Value, want float64) {
		t.Helper()
		if !v.Known() || math.Abs(*v.Number-want) > 1e-9 {
			t.Errorf("%s: %+v, want %v", what, v, want)
		}
	}
	u := (&deviceReadings{series: d.series}).host(w, "pro6000x1")
	if u == nil || len(u.Processes) != 2 {
		t.Fatalf("%+v", u)
	}
	is("busy of the simulated server", u.Busy, 6.0/8)
	is("cores of vision-0", u.Processes[0].Cores, 0.5)
	is("threads of vision-0 that wait", u.Processes[0].Waiting, 0.25)
	is("cores of vision-1", u.Processes[1].Cores, 2)
	if u.Processes[1].Waiting.Known() || u.Retransmitted.Known() || u.Stolen.Known() || u.Retransmitted.Why == "" {
		t.Errorf("known though nobody told: %+v", u)
	}
	delete(d.series, hostKey+"pro6000x1")
	u = d.host(w, "")
	is("busy of the machine", u.Busy, 1.5/8)
	is("segments sent again", u.Retransmitted, 3)
	// Linux' time of waiting for disks, which is idle, goes back at times (proc(5)).
	idle := d.series[hostKey+"node"]["host:cpu_idle_seconds_total"]
	idle[50].Value = idle[49].Value - 1
	if u := d.host(w, ""); u.Busy.Known() || u.Busy.Why != "host:cpu_idle_seconds_total went back" {
		t.Errorf("busy where it is not known how idle it was: %+v", u.Busy)
	}
	if got := (&deviceReadings{}).host(w, ""); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
	if got := d.host(w, "pro6000x1"); got != nil {
		t.Errorf("of another machine: %+v", got)
	}
}
