package sim

import (
	"context"
	"fmt"
	"net/http"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/sim/model"
)

// hostUse is the answer to GET /host: what the modelled cores of the host did, in
// seconds since the server's start.
type hostUse struct {
	Cores     int                   `json:"cores"`
	Seconds   float64               `json:"seconds"`      // of server time
	Busy      float64               `json:"busy_seconds"` // of all cores
	Processes map[string]processUse `json:"processes"`    // by instance
}

type processUse struct {
	PID int     `json:"pid"`
	CPU float64 `json:"cpu_seconds"`
}

// hostUse reads what the cores did at one moment. s.mu is held.
//
// Note: the simulated server's own process is no measure of it: it plays all instances, in
// time of the clock, and computes nothing of what they would.
func (s *server) hostUse() (u hostUse, err error) {
	u.Processes = make(map[string]processUse)
	err = s.driver.do(func(w *model.World) {
		u.Cores, u.Seconds, u.Busy = s.host.Cores(), w.Now().Seconds(), s.host.Busy(w.Now())
		for name, i := range s.instances {
			if i.hosted != nil {
				u.Processes[name] = processUse{i.process.pid, i.hosted().Seconds()}
			}
		}
	})
	return u, err
}

// HostUse gives the collector job that tells of the simulated host what the source host
// tells of a real one, in its series and under its name, for what the model knows: cores
// and the processor time of all and of each instance. Its subject is the simulated
// server, not the machine that it runs on.
func (m *Machine) HostUse() collectors.Job {
	subject := results.Subject{Kind: results.SubjectHost, ID: m.Server}
	return collectors.Job{Name: "host", Subject: subject, Collector: hostCollector{m.control, subject}}
}

type hostCollector struct {
	control controlClient
	server  results.Subject
}

// Read reads all at one moment of the server's time.
func (c hostCollector) Read(ctx context.Context) ([]collectors.Reading, error) {
	var u hostUse
	if err := c.control.call(ctx, http.MethodGet, "/host", nil, &u); err != nil {
		return nil, err
	}
	readings := []collectors.Reading{
		{Subject: c.server, Series: "host:cpus", Value: float64(u.Cores), Unit: "1"},
		{Subject: c.server, Series: "host:cpu_busy_seconds_total", Value: u.Busy, Unit: "s"},
		{Subject: c.server, Series: "host:cpu_idle_seconds_total", Value: float64(u.Cores)*u.Seconds - u.Busy, Unit: "s"},
	}
	for name, p := range u.Processes {
		of := results.Subject{Kind: results.SubjectProcess, ID: fmt.Sprintf("%s/%d", name, p.PID)}
		readings = append(readings, collectors.Reading{Subject: of, Series: "host:process_cpu_seconds_total", Value: p.CPU, Unit: "s"})
	}
	return readings, nil
}
