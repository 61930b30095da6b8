package sim

import (
	"context"
	"net/http"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// The series that a simulated server tells of itself through its control
// interface, as no real one can. The first two have an instance as subject and
// are of the model's time; together they say what the model itself took for the
// requests that it answered, without HTTP and the client.
const (
	// SeriesFinished counts the requests that the model has answered. Unit "1".
	SeriesFinished = "sim:requests_finished_total"
	// SeriesTook adds up their time from arrival to answer. Unit "s".
	SeriesTook = "sim:request_seconds_total"
	// SeriesLate is the most that the server's alarm was late since it began,
	// in seconds of the clock. The server is the subject.
	SeriesLate = "sim:late_seconds_max"
)

// SourceName is the Source of these observations.
const SourceName = "sim"

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

// Counts gives the collector job of what the server tells of itself.
func (m *Machine) Counts() collectors.Job {
	subject := results.Subject{Kind: results.SubjectHost, ID: m.Server}
	return collectors.Job{Name: SourceName, Subject: subject, Collector: countsCollector{m.control, subject}}
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
	readings := []collectors.Reading{{Subject: c.server, Series: SeriesLate, Value: now.LateSeconds, Unit: "s"}}
	for name, i := range now.Instances {
		subject := results.Subject{Kind: results.SubjectEndpoint, ID: name}
		readings = append(readings,
			collectors.Reading{Subject: subject, Series: SeriesFinished, Value: float64(i.Finished), Unit: "1"},
			collectors.Reading{Subject: subject, Series: SeriesTook, Value: i.Seconds, Unit: "s"})
	}
	return readings, nil
}
