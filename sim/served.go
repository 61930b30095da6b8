package sim

import (
	"context"
	"net/http"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// served is what an instance has answered, in the model's time. It belongs to
// the driver.
type served struct {
	finished int64
	took     time.Duration
}

func (s *served) add(took time.Duration) {
	s.finished++
	s.took += took
}

// counts is the answer to GET /counts.
type counts struct {
	LateSeconds float64                   `json:"late_seconds_max"`
	Instances   map[string]instanceCounts `json:"instances"`
}

type instanceCounts struct {
	Finished int64   `json:"requests_finished_total"`
	Seconds  float64 `json:"request_seconds_total"`
}

// count reads all counts at one moment. s.mu is held.
func (s *server) count() (c counts, err error) {
	c.Instances = make(map[string]instanceCounts)
	err = s.driver.doTimed(func(late time.Duration) {
		c.LateSeconds = late.Seconds()
		for name, i := range s.instances {
			if i.served != nil {
				c.Instances[name] = instanceCounts{i.served.finished, i.served.took.Seconds()}
			}
		}
	})
	return c, err
}

// Counts gives the collector job of what the server tells of itself through its
// control interface (results.SourceServer), in the model's time.
func (m *Machine) Counts() collectors.Job {
	subject := results.Subject{Kind: results.SubjectHost, ID: m.Server}
	return collectors.Job{Name: results.SourceServer, Subject: subject, Collector: countsCollector{m.control, subject}}
}

type countsCollector struct {
	control controlClient
	server  results.Subject
}

// Read reads the counts of every instance that runs.
func (c countsCollector) Read(ctx context.Context) ([]collectors.Reading, error) {
	var now counts
	if err := c.control.call(ctx, http.MethodGet, "/counts", nil, &now); err != nil {
		return nil, err
	}
	readings := []collectors.Reading{{Subject: c.server, Series: results.SeriesServerLate, Value: now.LateSeconds, Unit: "s"}}
	for name, i := range now.Instances {
		subject := results.Subject{Kind: results.SubjectEndpoint, ID: name}
		readings = append(readings,
			collectors.Reading{Subject: subject, Series: results.SeriesServerFinished, Value: float64(i.Finished), Unit: "1"},
			collectors.Reading{Subject: subject, Series: results.SeriesServerTook, Value: i.Seconds, Unit: "s"})
	}
	return readings, nil
}
