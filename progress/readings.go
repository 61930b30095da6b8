package progress

import (
	"math"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// queues keep what servers say of who waits, by service.
type queues struct {
	service map[string]string           // by instance
	newest  map[results.Subject]float64 // of each subject's waiting series
	means   map[string]*queueMean       // by service
}

// A queueMean is one service's: the last that was told, and the mean of what was told
// in the window.
type queueMean struct {
	last *float64
	sum  float64
	n    int64
}

func newQueues(instances []results.Instance) *queues {
	q := &queues{service: map[string]string{}, newest: map[results.Subject]float64{}, means: map[string]*queueMean{}}
	for _, i := range instances {
		q.service[i.Name] = i.Service
	}
	return q
}

// of gives a service's.
func (q *queues) of(service string) *queueMean {
	if q.means[service] == nil {
		q.means[service] = &queueMean{}
	}
	return q.means[service]
}

// add takes a reading, and gives the service whose queue it tells of; empty if none.
func (q *queues) add(o results.Observation) (service string) {
	series, ok := analysis.WaitingSeries(o.Source)
	if !ok || o.Series != series || o.Subject.Kind != results.SubjectEndpoint {
		return ""
	}
	q.newest[o.Subject] = o.Value
	return q.service[o.Subject.ID]
}

// total adds up what a service's instances told last. A sum that is not finite, of
// values each of which is, is unknown: JSON has no word for it.
func (q *queues) total(service string, inWindow bool) {
	sum := 0.0
	for subject, v := range q.newest {
		if q.service[subject.ID] == service {
			sum += v
		}
	}
	m := q.of(service)
	if m.last = finite(sum); m.last == nil {
		return
	}
	if inWindow {
		m.sum, m.n = m.sum+sum, m.n+1
	}
}

// mean is null where nothing was told in the window, or it is not finite.
func (m *queueMean) mean() *float64 {
	if m.n == 0 {
		return nil
	}
	return finite(m.sum / float64(m.n))
}

// finite is nil of what is not.
func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

// A deviceReading is what was read of a device last.
type deviceReading struct {
	activity, memory *float64
	rank             int // of activity's series, the best 0
}

// observe takes readings of servers and devices.
func (m *meter) observe(list []results.Observation, windowStart results.Offset) {
	told := map[string]bool{} // services: whether within the window
	for _, o := range list {
		if finite(o.Value) == nil {
			continue // JSON has no word for it
		}
		if s := m.queues.add(o); s != "" {
			told[s] = told[s] || o.At >= windowStart && o.At <= windowStart.Add(m.plan.Window)
		}
		m.device(o)
	}
	for s, inWindow := range told {
		m.queues.total(s, inWindow)
	}
}

// device takes a reading if it tells of a device's activity or memory.
func (m *meter) device(o results.Observation) {
	if o.Subject.Kind != results.SubjectGPU && o.Subject.Kind != results.SubjectInstance {
		return
	}
	r := m.read[o.Subject.ID]
	if o.Series == analysis.SeriesMemoryUsed {
		r.memory = ptr(o.Value)
	}
	if rank := slices.Index(analysis.ActivitySeries(), o.Series); rank >= 0 && (r.activity == nil || rank <= r.rank) {
		r.activity, r.rank = ptr(o.Value), rank
	}
	m.read[o.Subject.ID] = r
}
