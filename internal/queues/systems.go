package queues

import (
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/results"
)

// A System is a server under a load. It does not change and is safe for concurrent
// use; its Targets are not.
type System struct {
	Name  string
	About string // in a few words
	// Services, with their SLOs, and what puts each of them under load, in the same
	// order. The first is the one whose load is raised; Held are the levels of the
	// rest.
	Services []results.Service
	Sources  []Source
	Held     []float64
	// From is a load to begin with, and Most the largest that may be asked for: +Inf
	// for as much as one likes.
	From, Most float64
	Server     Server
	// Truth is what a search should come to.
	Truth Truth
}

// A Truth is what is known of a system.
type Truth struct {
	// State is how a search should end, as analysis.Capacity spells it.
	State string
	// Load is the level of the first service at which its SLO is just met in the long
	// run, from a cold start but without drift; NaN if there is none. For a closed
	// loop it lies between two populations, by interpolation. Error is its standard
	// error as a share.
	Load, Error float64
	// Binding is the text of the clause that is just met.
	Binding string
}

// Levels gives the levels of a step at a load of the first service.
func (s *System) Levels(load float64) []results.Level {
	var all []results.Level
	for i, v := range s.Services {
		if i > 0 {
			load = s.Held[i-1]
		}
		all = append(all, results.Level{Service: v.Name, Arrivals: s.Sources[i].Arrivals, Value: load, Unit: s.Sources[i].Unit})
	}
	return all
}

// latency makes a clause "p95 < 0.04 s" of all requests, or of a class's.
func latency(class string, quantile, limit float64) results.Clause {
	text := fmt.Sprintf("p%g < %g s", quantile*100, limit)
	if class != "" {
		text = class + ": " + text
	}
	return results.Clause{Metric: "latency", Quantile: quantile, Class: class, Op: "<", Limit: limit, Unit: "s", Text: text}
}

// errorShare makes a clause "errors <= 0.1 %".
func errorShare(limit float64) results.Clause {
	return results.Clause{Metric: "errors", Op: "<=", Limit: limit, Unit: "ratio", Text: fmt.Sprintf("errors <= %g %%", limit*100)}
}

func service(name string, slo ...results.Clause) results.Service {
	v := results.Service{Name: name, Role: results.RoleVision, SLO: slo}
	for _, c := range slo {
		if c.Quantile > 0 && !slices.Contains(v.Percentiles, c.Quantile) {
			v.Percentiles = append(v.Percentiles, c.Quantile)
		}
	}
	slices.Sort(v.Percentiles)
	return v
}

func p95p99(p95, p99 float64) []results.Service {
	return []results.Service{service("detector", latency("", 0.95, p95), latency("", 0.99, p99))}
}

func open(arrivals string) []Source {
	return []Source{{Arrivals: arrivals, Unit: "req/s", Classes: []Class{{Name: "frame", Weight: 1, Heavy: 1.3}}}}
}

// The servers that most systems are variants of: seven fast and seven slow workers.
var (
	fast = Server{Workers: 7, Fixed: 0.020, Spread: 0.25, PauseShare: 5e-4, Pause: 0.050}
	slow = Server{Workers: 7, Fixed: 0.200, Spread: 0.40, PauseShare: 5e-4, Pause: 0.300}
)

// with changes a copy of a server.
func with(s Server, change func(*Server)) Server {
	change(&s)
	return s
}

// All gives every system, those with a capacity first.
func All() []*System {
	all := slices.Concat(plain(), disturbed(), closed(), refused())
	for _, s := range all {
		if s.Most == 0 {
			s.Most = math.Inf(1)
		}
		for i, src := range s.Sources {
			s.Services[i].GapShape = src.gapShape()
		}
		s.Truth = truths()[s.Name]
	}
	return all
}

// Named gives a system by its name.
func Named(name string) (*System, bool) {
	all := All()
	i := slices.IndexFunc(all, func(s *System) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return all[i], true
}

// plain are servers under Poisson arrivals.
func plain() []*System {
	return []*System{
		{Name: "mid-nobatch", About: "7 workers, one line, 20 ms", From: 50,
			Services: p95p99(0.040, 0.050), Sources: open(Poisson), Server: fast},
		{Name: "slow", About: "7 workers, one line, 200 ms", From: 5,
			Services: p95p99(0.55, 0.70), Sources: open(Poisson), Server: slow},
		{Name: "slow-rr", About: "7 workers with a line each, 200 ms", From: 5,
			Services: p95p99(1.0, 1.4), Sources: open(Poisson),
			Server: with(slow, func(s *Server) { s.PerWorker = true })},
		{Name: "fast-batch", About: "4 workers, batches of 8, 8 ms + 1.5 ms each", From: 200,
			Services: p95p99(0.050, 0.080), Sources: open(Poisson),
			Server: Server{Workers: 4, Batch: 8, Fixed: 0.008, PerItem: 0.0015, Spread: 0.10, PauseShare: 2e-4, Pause: 0.050}},
		{Name: "batch-delay", About: "2 workers, batches of 16 that wait up to 10 ms, 12 ms + 2 ms each", From: 100,
			Services: p95p99(0.090, 0.120), Sources: open(Poisson),
			Server: Server{Workers: 2, Batch: 16, Delay: 0.010, Fixed: 0.012, PerItem: 0.002, Spread: 0.15}},
		{Name: "under-one", About: "3 workers, 5 s: less than one a second", From: 0.1,
			Services: []results.Service{service("detector", latency("", 0.5, 6), latency("", 0.9, 15))}, Sources: open(Poisson),
			Server: Server{Workers: 3, Fixed: 5, Spread: 0.4}},
		{Name: "two-classes", About: "7 workers, 80 % requests of 10 ms, 20 % of 60 ms, an SLO each", From: 50,
			Services: []results.Service{service("detector", latency("frame", 0.95, 0.045), latency("still", 0.95, 0.110), latency("still", 0.99, 0.130))},
			Sources: []Source{{Arrivals: Poisson, Unit: "req/s", Classes: []Class{
				{Name: "frame", Weight: 0.8, Work: 0.5, Heavy: 0.7}, {Name: "still", Weight: 0.2, Work: 3, Heavy: 4}}}},
			Server: fast},
	}
}

// disturbed are servers and arrivals that are worse than plain ones.
func disturbed() []*System {
	bursts := open(Gamma)
	bursts[0].Burstiness = 0.25
	changing := open(Trace)
	changing[0].Unit, changing[0].Rates, changing[0].Spells = "x", [2]float64{80, 160}, [2]float64{4, 2}
	return []*System{
		{Name: "gamma-bursts", About: "7 workers, 20 ms, arrivals of 4 times Poisson's variance", From: 50,
			Services: p95p99(0.060, 0.080), Sources: bursts, Server: fast},
		{Name: "mmpp", About: "7 workers, 20 ms, a recording whose rate doubles for spells of 2 s", From: 0.5,
			Services: p95p99(0.060, 0.100), Sources: changing, Server: fast},
		{Name: "heavy-tail", About: "7 workers, services of a Pareto law of index 1.8 up to 40 times the least", From: 50,
			Services: p95p99(0.080, 0.150), Sources: open(Poisson),
			Server: Server{Workers: 7, Fixed: 0.020, Tail: &Pareto{Alpha: 1.8, Ratio: 40}}},
		{Name: "front-cpu", About: "a hidden stage of one worker, 4 ms, before 7 workers, 20 ms", From: 50,
			Services: p95p99(0.045, 0.060), Sources: open(Poisson),
			Server: with(fast, func(s *Server) { s.Front, s.FrontSpread = 0.004, 0.5 })},
		{Name: "contention-10", About: "7 workers, 20 ms, 10 % slower when all others are busy", From: 50,
			Services: p95p99(0.040, 0.050), Sources: open(Poisson), Server: with(fast, func(s *Server) { s.Contention = 0.10 })},
		{Name: "contention-25", About: "7 workers, 200 ms, 25 % slower when all others are busy", From: 5,
			Services: p95p99(0.60, 0.80), Sources: open(Poisson), Server: with(slow, func(s *Server) { s.Contention = 0.25 })},
		{Name: "neighbour", About: "7 workers, 20 ms, 30 % slower for spells of 2 s in 12", From: 50,
			Services: p95p99(0.045, 0.060), Sources: open(Poisson),
			Server: with(fast, func(s *Server) { s.Neighbour = &Neighbour{On: 2, Off: 10, Factor: 1.3} })},
		{Name: "shedding", About: "7 workers, 20 ms, a line of 6 places, at most 0.1 % refused", From: 50,
			Services: []results.Service{service("detector", latency("", 0.99, 0.060), errorShare(0.001))}, Sources: open(Poisson),
			Server: with(fast, func(s *Server) { s.Room = 6 })},
		{Name: "drift-2", About: "7 workers, 20 ms, 2 % slower each hour", From: 50,
			Services: p95p99(0.040, 0.050), Sources: open(Poisson), Server: with(fast, func(s *Server) { s.Drift = 0.02 })},
	}
}

// closed are populations of users who wait for their answers.
func closed() []*System {
	users := func(think float64, calls int) []Source {
		return []Source{{Arrivals: Closed, Unit: "users", Classes: []Class{{Name: "call", Weight: 1, Heavy: 1.3}}, Think: think, Calls: calls}}
	}
	return []*System{
		{Name: "closed", About: "7 workers, 20 ms, users who think for 1 s", From: 50,
			Services: p95p99(0.040, 0.050), Sources: users(1, 1), Server: fast},
		{Name: "agent-like", About: "4 workers, 10 s, users with 8 calls a session and 2 min between two", From: 1,
			Services: []results.Service{service("agent", latency("", 0.5, 14), latency("", 0.9, 26))},
			Sources:  users(120, 8), Server: Server{Workers: 4, Fixed: 10, Spread: 0.4}},
	}
}

// refused are systems of which no capacity can be told.
func refused() []*System {
	return []*System{
		{Name: "drift-fast", About: "7 workers, 20 ms, twice as slow after an hour", From: 50,
			Services: p95p99(0.040, 0.050), Sources: open(Poisson), Server: with(fast, func(s *Server) { s.Drift = 1 })},
		{Name: "cliff-lock", About: "7 workers, 4 ms, 5 times slower for who comes while 40 wait", From: 300,
			Services: p95p99(0.100, 0.150), Sources: open(Poisson),
			Server: Server{Workers: 7, Fixed: 0.004, Spread: 0.10, Lock: &Lock{Waiting: 40, Factor: 5}}},
		{Name: "cliff-ban", About: "7 workers, 4 ms, refuses all for 30 s after more than 1,000 a second came for 10 s", From: 300,
			Services: p95p99(0.100, 0.150), Sources: open(Poisson),
			Server: Server{Workers: 7, Fixed: 0.004, Spread: 0.10, Ban: &Ban{Rate: 1000, Over: 10, For: 30}}},
		{Name: "non-monotone", About: "3 of 7 workers until 170 a second come", From: 40,
			Services: p95p99(0.040, 0.050), Sources: open(Poisson),
			Server: with(fast, func(s *Server) { s.Few = &Few{Workers: 3, Rate: 170, Over: 2} })},
		{Name: "delay-window", About: "batches that wait up to 100 ms: an SLO that only a high load meets", From: 20,
			Services: p95p99(0.100, 0.130), Sources: open(Poisson),
			Server: Server{Workers: 2, Batch: 16, Delay: 0.100, Fixed: 0.012, PerItem: 0.002, Spread: 0.15}},
		{Name: "never", About: "7 workers, 20 ms, an SLO below the time of a service", From: 50,
			Services: p95p99(0.015, 0.020), Sources: open(Poisson), Server: fast},
		{Name: "always", About: "7 workers, 20 ms, and no more than 120 a second may be asked for", From: 50, Most: 120,
			Services: p95p99(0.040, 0.050), Sources: open(Poisson), Server: fast},
	}
}
