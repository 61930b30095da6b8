package findings

import (
	"math"

	"github.com/evabench/evabench/analysis"
)

// A split says where a request's time went, in seconds, on average over a step; NaN
// where nothing tells.
type split struct {
	client float64 // from sent to done
	// unqueued is the same without the wait in the server's queue, where that is known: what
	// the other parts are shares of, for a queue is only the consequence of what is slow.
	unqueued float64
	// outside is what is neither the wait in the server's queue nor its computing: on the
	// way, in a proxy, or in the server's HTTP part. It is inside and network together.
	outside float64
	inside  float64 // of it, in the server: by its own clock, or its HTTP part's count
	network float64 // of it, not in the server
	// work is the computing that the server itself tells of.
	work float64
	// cpu is the processor time of the service's processes ÷ answers.
	cpu float64
}

// httpAlone is what HTTP takes on a good network, in seconds of the clock: that much is no
// delay. On a simulated server it is so many times as long in the server's time as its
// time is faster.
const httpAlone = 0.5e-3

// splitOf takes a place's time apart, at a scale of a simulated server.
func splitOf(p place, scale float64) split {
	nan := math.NaN()
	s := split{client: nan, unqueued: nan, outside: nan, inside: nan, network: nan, work: nan, cpu: nan}
	client, ok := of(p.service.Total.Served.Mean)
	if !ok || client <= 0 {
		return s
	}
	s.client, s.unqueued = client, client
	if w := p.waiting(); w != nil {
		if wait, ok := of(w.Wait.Value); ok && wait < client {
			s.unqueued = client - max(0, wait)
		}
	}
	rate, flows := p.perSecond()
	if o := p.service.Overhead; o != nil {
		if cost, ok := of(o.Cost); ok {
			s.network = max(0, cost-httpAlone*max(1, scale))
		}
	}
	if w := p.waiting(); w != nil {
		wait, okWait := of(w.Wait.Value)
		work, okWork := of(w.Inference.Value)
		told := w.Inference.Level == analysis.FromRequests && !w.Inference.Inferred
		if told && okWork {
			s.work = work
		}
		backlog, okBacklog := of(w.Backlog.Value)
		// What waited by the queue's counters and not by its gauge, which is read between
		// two steps of an engine, is in the wait already.
		unseen := 0.0
		if little, ok := of(w.ByLittle.Value); ok && !w.Depth.Inferred {
			if depth, ok := of(w.Depth.Value); ok {
				unseen = max(0, little-depth)
			}
		}
		switch {
		case told && okWait && okWork && w.Wait.Level == analysis.FromRequests:
			s.outside = max(0, client-wait-work)
		case okBacklog && flows:
			s.outside = max(0, backlog-unseen) / rate // Little's law, of what the engine does not tell
		}
		if w.HTTP != nil && flows {
			if f, ok := of(w.HTTP.Frontend.Value); ok {
				s.inside = max(0, f-unseen) / rate
			}
		}
	}
	switch {
	case known(s.outside) && known(s.network) && !known(s.inside):
		s.inside = max(0, s.outside-s.network)
	case known(s.outside) && known(s.inside) && !known(s.network):
		s.network = max(0, s.outside-s.inside)
	}
	if cores, ok := coresOf(p); ok && flows {
		s.cpu = cores / rate
	}
	return s
}

func known(x float64) bool { return !math.IsNaN(x) }

// coresOf is the processor time that the service's processes used in a second; unknown if
// it is of one of its instances.
func coresOf(p place) (float64, bool) {
	if p.step.Host == nil {
		return 0, false
	}
	return overInstances(p, func(u analysis.ProcessUse) analysis.Value { return u.Cores })
}

// waitingThreads is how many of their threads waited for a processor.
func waitingThreads(p place) (float64, bool) {
	if p.step.Host == nil {
		return 0, false
	}
	return overInstances(p, func(u analysis.ProcessUse) analysis.Value { return u.Waiting })
}

func overInstances(p place, figure func(analysis.ProcessUse) analysis.Value) (total float64, all bool) {
	instances := p.instances()
	for _, i := range instances {
		found := false
		for _, u := range p.step.Host.Processes {
			if x, ok := of(figure(u)); ok && u.Instance == i.Name {
				total, found = total+x, true
				break
			}
		}
		if !found {
			return 0, false
		}
	}
	return total, len(instances) > 0
}

// aliveLeast is how many requests must be in flight for each device, on average, before
// an idle GPU means anything.
const aliveLeast = 0.5

// idleOf compares how much of the time something ran on the service's devices with how
// much of it requests were there. With F requests in flight for each device, on average,
// some are there for a share of about 1 - exp(-F) of the time (of independent requests,
// whose number is Poisson's), and
//
//	idle = 1 - busy ÷ (1 - exp(-F))
//
// It is about 0 where all of a request's time is the GPU's, and near 1 where the GPU
// hardly works while requests are there. The work of another service on the devices is in
// busy too, which makes it less. It is NaN without a reading, and with fewer than
// aliveLeast in flight.
func idleOf(p place) float64 {
	busy, ok := busyOf(p)
	flight, okFlight := of(p.service.InFlight)
	devices := map[string]bool{}
	for _, i := range p.instances() {
		devices[i.Device] = true
	}
	if !ok || !okFlight || len(devices) == 0 {
		return math.NaN()
	}
	there := flight / float64(len(devices))
	if there < aliveLeast {
		return math.NaN()
	}
	return max(0, 1-busy/(1-math.Exp(-there)))
}
