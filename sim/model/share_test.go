package model

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// every calls f after each change of a device that replays a trace.
func every(cfg DeviceConfig, all []Client, trace []arrival, f func(d *Device)) *Device {
	d := NewDevice(cfg)
	var ids []ProcessID
	for _, c := range all {
		ids = append(ids, d.AddProcess(c))
	}
	for len(trace) > 0 || d.at != never {
		if len(trace) > 0 && trace[0].at < d.at {
			d.Submit(trace[0].at, ids[trace[0].process], trace[0].job)
			trace = trace[1:]
		} else {
			d.Advance(d.at)
		}
		f(d)
	}
	return d
}

// The definition of share, checked without its algorithm: no resource is given
// out twice, and every job has as many SMs as it can use, or for its size as
// much as anybody of SMs, or of a bandwidth, that are all in use. So the device
// is never idle while a job could use it.
func TestSharesAreFairAndWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		all := drawClients(t)
		for i := range all {
			all[i].MPS = true
		}
		every(cfg, all, drawTrace(t, len(all)), func(d *Device) {
			if d.holder == nil || d.holder.active == 0 {
				return
			}
			if d.switching {
				t.Fatalf("MPS clients switch")
			}
			const near = 1e-9
			var sms, bytes, mostSMs, mostBytes float64
			for _, p := range d.holder.procs {
				if j := p.first; j != nil {
					if j.end == d.now {
						return // this state has no duration
					}
					sms += j.speed * j.Work
					bytes += j.speed * j.Bytes
					mostSMs, mostBytes = max(mostSMs, j.speed*j.Work/min(j.Parallel, p.limit)), max(mostBytes, j.speed*j.Bytes/min(j.Parallel, p.limit))
				}
			}
			if sms > cfg.SMs*(1+near) || bytes > cfg.Bandwidth*(1+near) {
				t.Fatalf("%v SMs of %v and %v bytes/s of %v are in use", sms, cfg.SMs, bytes, cfg.Bandwidth)
			}
			for _, p := range d.holder.procs {
				j := p.first
				if j == nil {
					continue
				}
				own := j.Work > 0 && j.speed*j.Work >= min(j.Parallel, p.limit)*(1-near)
				bySMs := sms >= cfg.SMs*(1-near) && j.speed*j.Work/min(j.Parallel, p.limit) >= mostSMs*(1-near)
				byMemory := bytes >= cfg.Bandwidth*(1-near) && j.speed*j.Bytes/min(j.Parallel, p.limit) >= mostBytes*(1-near)
				if !own && !bySMs && !byMemory {
					t.Fatalf("%+v runs at %v SMs, %v bytes/s; in use are %v SMs of %v, %v bytes/s of %v",
						j.Job, j.speed*j.Work, j.speed*j.Bytes, sms, cfg.SMs, bytes, cfg.Bandwidth)
				}
			}
		})
	})
}

// By hand: 100 SMs, 1000 bytes/s.
func TestSharesOfBandwidth(t *testing.T) {
	cfg := DeviceConfig{SMs: 100, Bandwidth: 1000, Quantum: time.Hour}
	copies := Job{Bytes: 1, Parallel: 1}
	for _, test := range []struct {
		name string
		jobs []Job
		want []float64 // SMs or, for a job without work, bytes/s
	}{
		// 100 SMs would move 2000 bytes/s.
		{"one, by memory", []Job{{Work: 1, Parallel: 100, Bytes: 20}}, []float64{50}},
		// 50 SMs each would move 1000 + 50. The first one is held at 950 (1000
		// is all, the other has 52.5 at 52.5 SMs): 47.5 x 20 + 52.5 x 1 = 1002.5
		// is too much; s1 + s2 = 100, 20 s1 + s2 = 1000: s1 = 900/19.
		{"what the slowed one leaves", []Job{{Work: 1, Parallel: 100, Bytes: 20}, {Work: 1, Parallel: 100, Bytes: 1}},
			[]float64{900. / 19, 1000. / 19}},
		// 500 bytes/s each; 25 SMs of the first are all it can feed, 70 the
		// other, and 5 SMs are idle.
		{"both by memory", []Job{{Work: 1, Parallel: 100, Bytes: 20}, {Work: 7, Parallel: 100, Bytes: 50}}, []float64{25, 70}},
		{"copies beside work", []Job{copies, {Work: 1, Parallel: 100, Bytes: 2}}, []float64{800, 100}},
		{"copies", []Job{copies, copies, copies, copies}, []float64{250, 250, 250, 250}},
		{"no bytes", []Job{{Work: 1, Parallel: 20}, {Work: 1, Parallel: 100}, {Work: 1, Parallel: 100}}, []float64{100. / 11, 500. / 11, 500. / 11}},
	} {
		d := NewDevice(cfg)
		var ids []ProcessID
		for _, j := range test.jobs {
			ids = append(ids, d.AddProcess(Client{MPS: true, Share: 1}))
			d.Submit(0, ids[len(ids)-1], j)
		}
		for i, j := range test.jobs {
			got := d.procs[ids[i]].first.speed * j.Work
			if j.Work == 0 {
				got = d.procs[ids[i]].first.speed * j.Bytes
			}
			if math.Abs(got-test.want[i]) > 1e-9*test.want[i] {
				t.Errorf("%s: job %d has %v, want %v", test.name, i, got, test.want[i])
			}
		}
	}
}

// More SMs or bandwidth never delay one process's jobs.
func TestMoreNeverHurtsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, trace := drawConfig(t), drawTrace(t, 1)
		c := []Client{{MPS: rapid.Bool().Draw(t, "mps"), Share: rapid.SampledFrom([]float64{0.25, 1}).Draw(t, "share")}}
		more := cfg
		more.SMs *= rapid.Float64Range(1, 3).Draw(t, "SMs factor")
		more.Bandwidth *= rapid.Float64Range(1, 3).Draw(t, "bandwidth factor")
		before, after := replay(cfg, c, trace, nil), replay(more, c, trace, nil)
		for i := range before {
			if after[i] > before[i]+100 { // rounding of at most 30 jobs
				t.Fatalf("job %d ends at %v, with more at %v", i, before[i], after[i])
			}
		}
	})
}

// Usage is that of the jobs done, for the device and for each process, and the
// device's time is all accounted for.
func TestUsageIsThatOfTheJobs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, all := drawConfig(t), drawClients(t)
		trace := drawTrace(t, len(all))
		var idle time.Duration
		var last time.Duration
		wasIdle := true
		d := every(cfg, all, trace, func(d *Device) {
			if wasIdle {
				idle += d.now - last
			}
			last = d.now
			u := d.Usage(d.now) // what is due now has happened
			wasIdle = d.at == never
			if u.Busy+u.Switching+idle != d.now {
				t.Fatalf("at %v: busy %v, switching %v, idle %v", d.now, u.Busy, u.Switching, idle)
			}
		})
		u := d.Usage(d.now)
		var sum Usage
		for i, c := range all {
			var want Usage
			for _, a := range trace {
				if a.process == i {
					want.SMSeconds += a.job.Work
					want.Bytes += a.job.Bytes
				}
			}
			got := d.ProcessUsage(d.now, ProcessID(i+1))
			if !near(got.SMSeconds, want.SMSeconds) || !near(got.Bytes, want.Bytes) {
				t.Fatalf("process %d: %+v, its jobs %+v", i, got, want)
			}
			sum.Busy += got.Busy
			sum.SMSeconds += got.SMSeconds
			sum.Bytes += got.Bytes
			if !c.MPS {
				sum.Switching += got.Switching
			}
		}
		if i := slices.IndexFunc(all, func(c Client) bool { return c.MPS }); i >= 0 {
			sum.Switching += d.ProcessUsage(d.now, ProcessID(i+1)).Switching
		}
		if !near(sum.SMSeconds, u.SMSeconds) || !near(sum.Bytes, u.Bytes) || sum.Switching != u.Switching || sum.Busy < u.Busy {
			t.Fatalf("processes %+v, device %+v", sum, u)
		}
		if u.Switching != time.Duration(u.Switches)*cfg.Switch {
			t.Fatalf("%d switches took %v", u.Switches, u.Switching)
		}
	})
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1e-3, math.Abs(a), math.Abs(b)) }

// Between events usage grows straight, and to ask changes nothing.
func TestUsageBetweenEvents(t *testing.T) {
	d := NewDevice(DeviceConfig{SMs: 100, Bandwidth: 1000, Quantum: 2 * ms, Switch: ms})
	a, b := d.AddProcess(Client{Share: 1}), d.AddProcess(Client{Share: 1})
	d.Submit(0, a, Job{Work: 0.4, Parallel: 100, Bytes: 1}) // 4 ms
	d.Submit(0, b, Job{Work: 0.1, Parallel: 50})            // 2 ms
	for _, test := range []struct {
		at   time.Duration
		d, a Usage
	}{
		{ms, Usage{Busy: ms, SMSeconds: 0.1, Bytes: 0.25}, Usage{Busy: ms, SMSeconds: 0.1, Bytes: 0.25}},
		// 0..2 a, 2..3 switch, 3..5 b, 5..6 switch, 6..8 a.
		{2*ms + ms/2, Usage{2 * ms, ms / 2, 1, 0.2, 0.5}, Usage{Busy: 2 * ms, SMSeconds: 0.2, Bytes: 0.5}},
		{5*ms + ms/2, Usage{4 * ms, 3 * ms / 2, 2, 0.3, 0.5}, Usage{2 * ms, ms / 2, 1, 0.2, 0.5}},
		{9 * ms, Usage{6 * ms, 2 * ms, 2, 0.5, 1}, Usage{4 * ms, ms, 1, 0.4, 1}},
	} {
		for range 2 {
			if got, own := d.Usage(test.at), d.ProcessUsage(test.at, a); !same(got, test.d) || !same(own, test.a) {
				t.Errorf("at %v: device %+v, want %+v; process %+v, want %+v", test.at, got, test.d, own, test.a)
			}
		}
	}
}

func same(a, b Usage) bool {
	return a.Busy == b.Busy && a.Switching == b.Switching && a.Switches == b.Switches && near(a.SMSeconds, b.SMSeconds) && near(a.Bytes, b.Bytes)
}

// Contexts that always have work do less of it, the more a switch costs.
func TestSwitchesCostThroughput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		n := rapid.IntRange(1, 5).Draw(t, "contexts")
		job := Job{Work: cfg.SMs / 1000, Parallel: cfg.SMs, Bytes: rapid.Float64Range(0, 1).Draw(t, "part") * cfg.Bandwidth / 1000} // 1 ms
		worked := func(cost time.Duration) (Usage, float64) {
			cfg := cfg
			cfg.Switch = cost
			d := NewDevice(cfg)
			for range n {
				p := d.AddProcess(Client{Share: 1})
				for range 200 / n {
					d.Submit(0, p, job)
				}
			}
			u := d.Usage(30 * ms)
			return u, u.SMSeconds / cfg.SMs
		}
		cheap := time.Duration(rapid.Int64Range(0, int64(ms)).Draw(t, "cheap"))
		dear := cheap + time.Duration(rapid.Int64Range(1, int64(ms)).Draw(t, "more"))
		one, oneWork := worked(cheap)
		two, twoWork := worked(dear)
		switch {
		case n == 1 && (one.Switches != 0 || one != two):
			t.Fatalf("alone: %+v and %+v", one, two)
		case twoWork > oneWork+1e-9:
			t.Fatalf("%v s of work with switches of %v, %v s with %v", oneWork, cheap, twoWork, dear)
		// Both may be in the same switch at the end, but only if the earlier
		// ones did not differ by as much as a whole one.
		case time.Duration(two.Switches)*(dear-cheap) > dear && twoWork >= oneWork:
			t.Fatalf("the cost does not show: %v s with %v, %v s with %v", oneWork, cheap, twoWork, dear)
		case one.Busy+one.Switching != 30*ms:
			t.Fatalf("idle while there is work: %+v", one)
		}
	})
}
