package model

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// An arrival is one line of a trace.
type arrival struct {
	at      time.Duration
	process int
	job     Job
}

func drawTrace(t *rapid.T, processes int) []arrival {
	var at time.Duration
	n := rapid.IntRange(1, 30).Draw(t, "jobs")
	trace := make([]arrival, n)
	for i := range trace {
		at += time.Duration(rapid.Int64Range(0, int64(20*time.Millisecond)).Draw(t, "gap"))
		trace[i] = arrival{
			at:      at,
			process: rapid.IntRange(0, processes-1).Draw(t, "process"),
			job: Job{
				Work:     rapid.Float64Range(0, 1).Draw(t, "work"),
				Parallel: rapid.Float64Range(1, 200).Draw(t, "parallel"),
				Bytes:    rapid.SampledFrom([]float64{0, 1, 30}).Draw(t, "intensity") * rapid.Float64Range(0, 1e9).Draw(t, "bytes"),
			},
		}
	}
	return trace
}

func drawConfig(t *rapid.T) DeviceConfig {
	return DeviceConfig{
		SMs:       float64(rapid.IntRange(1, 188).Draw(t, "sms")),
		Bandwidth: rapid.Float64Range(1e11, 2e12).Draw(t, "bandwidth"),
		Quantum:   time.Duration(rapid.Int64Range(int64(100*time.Microsecond), int64(5*time.Millisecond)).Draw(t, "quantum")),
		Switch:    time.Duration(rapid.Int64Range(0, int64(time.Millisecond)).Draw(t, "switch")),
	}
}

// replay runs a trace and gives the end of each job, in the trace's order.
// Polls are further moments at which the device is advanced.
func replay(cfg DeviceConfig, clients []Client, trace []arrival, polls []time.Duration) []time.Duration {
	d := NewDevice(cfg)
	var ids []ProcessID
	for _, c := range clients {
		ids = append(ids, d.AddProcess(c))
	}
	index := make(map[JobID]int)
	ends := make([]time.Duration, len(trace))
	take := func(done []Completion) {
		for _, c := range done {
			ends[index[c.Job]] = c.At
		}
	}
	for i, a := range trace {
		for len(polls) > 0 && polls[0] <= a.at {
			take(d.Advance(polls[0]))
			polls = polls[1:]
		}
		index[d.Submit(a.at, ids[a.process], a.job)] = i
	}
	for at, ok := d.NextEvent(); ok; at, ok = d.NextEvent() {
		take(d.Advance(at))
	}
	return ends
}

func clients(n int, c Client) []Client { return slices.Repeat([]Client{c}, n) }

// alone is the least time that a job can take on a device, by arithmetic.
func alone(cfg DeviceConfig, c Client, j Job) time.Duration {
	return time.Duration(max(j.Work/min(j.Parallel, c.Share*cfg.SMs), j.Bytes/cfg.Bandwidth) * 1e9)
}

func drawClients(t *rapid.T) []Client {
	all := make([]Client, rapid.IntRange(1, 4).Draw(t, "processes"))
	for i := range all {
		all[i] = Client{MPS: rapid.Bool().Draw(t, "mps"), Share: rapid.SampledFrom([]float64{0.25, 0.5, 1}).Draw(t, "share")}
	}
	return all
}

func TestResultsDoNotDependOnPolling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, all := drawConfig(t), drawClients(t)
		trace := drawTrace(t, len(all))
		var polls []time.Duration
		for range rapid.IntRange(0, 50).Draw(t, "polls") {
			polls = append(polls, time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "poll")))
		}
		slices.Sort(polls)
		got, want := replay(cfg, all, trace, polls), replay(cfg, all, trace, nil)
		if !slices.Equal(got, want) {
			t.Fatalf("polled at %v: ends %v, else %v", polls, got, want)
		}
	})
}

func TestNoJobIsFasterThanAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, all := drawConfig(t), drawClients(t)
		trace := drawTrace(t, len(all))
		for i, end := range replay(cfg, all, trace, nil) {
			a := trace[i]
			// 100 ns for the roundings of at most 30 jobs.
			if got, least := end-a.at, alone(cfg, all[a.process], a.job); got < least-100 {
				t.Fatalf("job %d took %v, alone it takes %v", i, got, least)
			}
		}
	})
}

// A device with unlimited parallelism and no switch cost does its work at the
// rate of its SMs whenever there is any, however it is shared: the end of each
// busy period is that of the plain queue with the same total.
func TestWorkIsConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		cfg.Switch = 0
		all := drawClients(t)
		trace := drawTrace(t, len(all))
		for i := range all {
			all[i].Share = 1
		}
		for i := range trace {
			trace[i].job.Parallel, trace[i].job.Bytes = cfg.SMs, 0
		}
		var want float64 // seconds: the end of all work
		for _, a := range trace {
			want = max(want, a.at.Seconds()) + a.job.Work/cfg.SMs
		}
		got := slices.Max(replay(cfg, all, trace, nil))
		if math.Abs(got.Seconds()-want) > 1e-5 {
			t.Fatalf("last end %v, want %v s", got, want)
		}
	})
}

// One process: whether it is an MPS client cannot matter, nor what a switch
// costs, nor how long a turn is.
func TestOneProcessIsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		trace := drawTrace(t, 1)
		var end float64
		for i, got := range replay(cfg, clients(1, Client{Share: 1}), trace, nil) {
			a := trace[i]
			end = max(end, a.at.Seconds()) + max(a.job.Work/min(a.job.Parallel, cfg.SMs), a.job.Bytes/cfg.Bandwidth)
			if math.Abs(got.Seconds()-end) > 1e-6 {
				t.Fatalf("job %d ended at %v, want %v s", i, got, end)
			}
		}
		other := cfg
		other.Switch, other.Quantum = cfg.Switch+time.Second, cfg.Quantum*2
		ts := replay(cfg, clients(1, Client{Share: 1}), trace, nil)
		mps := replay(other, clients(1, Client{Share: 1, MPS: true}), trace, nil)
		if !slices.Equal(ts, mps) {
			t.Fatalf("time-sliced %v, through MPS %v", ts, mps)
		}
	})
}

func TestSharing(t *testing.T) {
	const ms = time.Millisecond
	cfg := DeviceConfig{SMs: 100, Bandwidth: 1e12, Quantum: 2 * ms, Switch: ms}
	two := []arrival{{0, 0, Job{Work: 0.4, Parallel: 40}}, {0, 1, Job{Work: 0.4, Parallel: 40}}}
	late := []arrival{{0, 0, Job{Work: 0.4, Parallel: 40}}, {3 * ms, 1, Job{Work: 0.04, Parallel: 40}}}
	wide := []arrival{{0, 0, Job{Work: 1, Parallel: 100}}, {0, 1, Job{Work: 0.5, Parallel: 100}}}
	for _, test := range []struct {
		name  string
		cfg   DeviceConfig
		c     Client
		trace []arrival
		want  []time.Duration
	}{
		// 40 of 100 SMs each: both fit beside each other and take 10 ms.
		{"mps, narrow", cfg, Client{MPS: true, Share: 1}, two, []time.Duration{10 * ms, 10 * ms}},
		// In turns of 2 ms, 1 ms to switch between: the first one's fifth turn
		// is 24..26, the second one's 27..29.
		{"ts, narrow", cfg, Client{Share: 1}, two, []time.Duration{26 * ms, 29 * ms}},
		// Alone the first has turns 0..2 and 2..4; then the second one runs from
		// 5 to 6, ends, and the first has its last 6 ms from 7 on.
		{"ts, late", cfg, Client{Share: 1}, late, []time.Duration{13 * ms, 6 * ms}},
		// 50 SMs each until 10 ms; then the first has 0.5 left at 100 SMs.
		{"mps, wide", cfg, Client{MPS: true, Share: 1}, wide, []time.Duration{15 * ms, 10 * ms}},
		// A quarter of the SMs: 0.4/25 s each where both would run at 12.5: 32 ms.
		{"mps, quarter", DeviceConfig{SMs: 25, Bandwidth: 1e12, Quantum: ms}, Client{MPS: true, Share: 1}, two, []time.Duration{32 * ms, 32 * ms}},
		// The bound of 20 SMs holds though 60 are free.
		{"mps, bounded", cfg, Client{MPS: true, Share: 0.2}, two, []time.Duration{20 * ms, 20 * ms}},
	} {
		got := replay(test.cfg, clients(2, test.c), test.trace, nil)
		for i := range got {
			if diff := got[i] - test.want[i]; diff < -10 || diff > 10 {
				t.Errorf("%s: job %d ends at %v, want %v", test.name, i, got[i], test.want[i])
			}
		}
	}
}

// MPS clients are one context beside a process that is none: the two take
// turns, and the clients run together within theirs.
func TestMPSBesideAnotherProcess(t *testing.T) {
	const ms = time.Millisecond
	cfg := DeviceConfig{SMs: 100, Bandwidth: 1e12, Quantum: 2 * ms}
	job := Job{Work: 0.2, Parallel: 50} // 4 ms alone
	got := replay(cfg, []Client{{MPS: true, Share: 1}, {MPS: true, Share: 1}, {Share: 1}},
		[]arrival{{0, 0, job}, {0, 1, job}, {0, 2, job}}, nil)
	want := []time.Duration{6 * ms, 6 * ms, 8 * ms}
	if !slices.Equal(got, want) {
		t.Errorf("ends %v, want %v", got, want)
	}
}

func TestRemovedProcessLeavesTheDevice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, all := drawConfig(t), drawClients(t)
		d := NewDevice(cfg)
		var ids []ProcessID
		for _, c := range all {
			ids = append(ids, d.AddProcess(c))
		}
		trace := drawTrace(t, len(all))
		owner := make(map[JobID]int)
		victim := rapid.IntRange(0, len(all)-1).Draw(t, "victim")
		when := rapid.IntRange(0, len(trace)-1).Draw(t, "when")
		removed, ended := false, make(map[int]int)
		take := func(done []Completion) {
			for _, c := range done {
				ended[owner[c.Job]]++
				if removed && owner[c.Job] == victim {
					t.Fatalf("job of the removed process ended at %v", c.At)
				}
			}
		}
		given := make(map[int]int)
		for i, a := range trace {
			take(d.Advance(a.at))
			if i == when {
				d.RemoveProcess(a.at, ids[victim])
				removed = true
			}
			if !removed || a.process != victim {
				owner[d.Submit(a.at, ids[a.process], a.job)] = a.process
				given[a.process]++
			}
		}
		for at, ok := d.NextEvent(); ok; at, ok = d.NextEvent() {
			take(d.Advance(at))
		}
		for p := range all {
			if p != victim && ended[p] != given[p] {
				t.Fatalf("process %d: %d of %d jobs ended", p, ended[p], given[p])
			}
		}
	})
}
