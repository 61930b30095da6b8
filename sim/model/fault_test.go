package model

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// moment reports whether two moments differ by what rounding to nanoseconds makes.
func moment(a, b time.Duration, events int) bool {
	return (a - b).Abs() <= time.Duration(events)*2+b/1e9
}

func drawJob(t *rapid.T) Job {
	return Job{
		Work:     rapid.Float64Range(0.01, 5).Draw(t, "work"),
		Parallel: rapid.Float64Range(1, 150).Draw(t, "parallel"),
		Bytes:    rapid.Float64Range(0, 1e7).Draw(t, "bytes"),
	}
}

// At a share of the clock the SMs' part of a job takes 1/share as long and the
// memory's as long as it did; while it runs the SMs are used as much as before, so
// that their time grows by 1/share too.
func TestClockStretchesWork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j, share := drawJob(t), rapid.Float64Range(0.05, 1).Draw(t, "share")
		d := NewDevice(testDevice)
		p := d.AddProcess(Client{Share: 1})
		d.SetClock(0, share)
		d.Submit(0, p, j)
		done := d.Advance(time.Hour)
		// The roofline of Job with Work/share in the place of Work.
		want := time.Duration(1e9 * max(j.Work/share/min(j.Parallel, 100), j.Bytes/1e9))
		if len(done) != 1 || !moment(done[0].At, want, 1) {
			t.Fatalf("%+v at clock %v ends with %v, want %v", j, share, done, want)
		}
		if got, want := d.Usage(time.Hour).SMSeconds, j.Work/share; math.Abs(got-want) > 1e-6*want {
			t.Errorf("SMs had work for %v s, want %v", got, want)
		}
		if got, want := d.ProcessUsage(time.Hour, p).SMSeconds, d.Usage(time.Hour).SMSeconds; math.Abs(got-want) > 1e-6*want {
			t.Errorf("SMs had work of the process for %v s, want %v", got, want)
		}
	})
}

// With all clients and turns together, a device whose work is limited by SMs alone does
// at a share of the clock all that it does at the full one, 1/share as late, if its
// turns are as much longer.
func TestClockStretchesTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := 1 / float64(rapid.IntRange(1, 8).Draw(t, "slower"))
		mps := rapid.Bool().Draw(t, "mps")
		jobs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Job {
			j := drawJob(t)
			j.Bytes = 0
			return j
		}), 1, 4).Draw(t, "jobs")
		ends := func(share float64) map[JobID]time.Duration {
			cfg := testDevice
			cfg.Quantum = time.Duration(float64(cfg.Quantum) / share)
			d := NewDevice(cfg)
			d.SetClock(0, share)
			for _, j := range jobs {
				d.Submit(0, d.AddProcess(Client{MPS: mps, Share: 1}), j)
			}
			at := map[JobID]time.Duration{}
			for _, c := range d.Advance(time.Hour) {
				at[c.Job] = c.At
			}
			return at
		}
		full, slow := ends(1), ends(share)
		for id, at := range full {
			want := time.Duration(float64(at) / share)
			// Each turn rounds an end up by a nanosecond at most.
			if turns := int(at/testDevice.Quantum) + len(jobs) + 1; !moment(slow[id], want, turns*int(1/share)) {
				t.Errorf("job %d ends at %v, want %v", id, slow[id], want)
			}
		}
	})
}

// A clock that falls in the middle of a job stretches what is left of it, and one that
// comes back shrinks it again.
func TestClockFallsUnderWork(t *testing.T) {
	var w World
	d := w.AddDevice(testDevice)
	p := d.AddProcess(Client{Share: 1})
	var end time.Duration
	w.Submit(d, p, Job{Work: 1, Parallel: 100}, func() { end = w.Now() }) // 10 ms
	w.At(4*ms, func() { d.SetClock(w.Now(), 0.5) })
	w.At(8*ms, func() { d.SetClock(w.Now(), 1) })
	run(&w)
	// 4 ms of work, 4 ms in which half as much is done, 4 ms of the rest.
	if want := 12 * ms; !moment(end, want, 3) {
		t.Errorf("it ends at %v, want %v", end, want)
	}
}

// served drives detectors of one worker each, on a device of its own, with requests at
// the same moments, and gives how long each request was with its worker.
func served(t *rapid.T, cores int, gaps []time.Duration, all ...DetectorConfig) [][]time.Duration {
	var w World
	h := NewHost(&w, cores)
	took := make([][]time.Duration, len(all))
	for i, cfg := range all {
		cfg.Workers, cfg.Queue = 1, len(gaps)
		det := NewDetector(&w, h, w.AddDevice(testDevice), Client{Share: 1}, cfg)
		var at time.Duration
		for seed, gap := range gaps {
			at += gap
			w.At(at, func() {
				if !det.Submit(uint64(seed), false, func(d Detection) { took[i] = append(took[i], d.Done-d.Started) }) {
					t.Fatal("a request was refused")
				}
			})
		}
	}
	run(&w)
	return took
}

func drawDetector(t *rapid.T) DetectorConfig {
	span := rapid.Map(rapid.IntRange(0, 20000), func(us int) time.Duration { return time.Duration(us) * time.Microsecond })
	return DetectorConfig{
		Before: span.Draw(t, "before"), After: span.Draw(t, "after"), Launch: span.Draw(t, "launch") / 100,
		Bursts: rapid.IntRange(1, 20).Draw(t, "bursts"), Spread: 0.2, Job: drawJob(t),
	}
}

func drawGaps(t *rapid.T) []time.Duration {
	return rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 200), func(n int) time.Duration { return time.Duration(n) * ms }), 1, 20).Draw(t, "gaps")
}

// Slow preprocessing adds (factor - 1) times the work in front of the GPU to each
// request, and to nothing else.
func TestSlowPreprocessing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, factor, gaps := drawDetector(t), rapid.Float64Range(1, 20).Draw(t, "factor"), drawGaps(t)
		took := served(t, 2, gaps, cfg, cfg.SlowPreprocessing(factor))
		for i, was := range took[0] {
			if want := was + time.Duration(float64(cfg.Before)*(factor-1)); !moment(took[1][i], want, 2*cfg.Bursts) {
				t.Errorf("request %d took %v, want %v", i, took[1][i], want)
			}
		}
	})
}

// A slow worker takes longer by what its host work grows, and others take as long as
// without it, while there is a core for each.
func TestSlowWorkerAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg, factor, gaps := drawDetector(t), rapid.Float64Range(1, 20).Draw(t, "factor"), drawGaps(t)
		sound, ill := served(t, 3, gaps, cfg, cfg, cfg), served(t, 3, gaps, cfg.SlowWorker(factor), cfg, cfg)
		host := cfg.Before + cfg.After + time.Duration(cfg.Bursts)*cfg.Launch
		for i := range gaps {
			for other := 1; other < 3; other++ {
				if ill[other][i] != sound[other][i] {
					t.Errorf("request %d of worker %d took %v beside a slow one, %v without", i, other, ill[other][i], sound[other][i])
				}
			}
			if want := sound[0][i] + time.Duration(float64(host)*(factor-1)); !moment(ill[0][i], want, 3*cfg.Bursts) {
				t.Errorf("request %d of the slow worker took %v, want %v", i, ill[0][i], want)
			}
		}
	})
}

// A launch-bound job takes factor times as long, keeps the device busy all the while
// and its SMs 1/factor as much; a batch takes as long as its requests one by one.
func TestLaunchBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		factor, n := rapid.Float64Range(1, 20).Draw(t, "factor"), rapid.IntRange(1, 5).Draw(t, "batch")
		cfg := DetectorConfig{Workers: 1, Queue: n, BatchSize: n, BatchDelay: ms, Job: drawJob(t)}
		cfg.Job.Bytes = 0
		alone := cfg.Job.Work / min(cfg.Job.Parallel, 100)
		var w World
		d := w.AddDevice(testDevice)
		det := NewDetector(&w, NewHost(&w, 1), d, Client{Share: 1}, cfg.LaunchBound(testDevice, factor))
		var last Detection
		for i := range n {
			w.At(0, func() { det.Submit(uint64(i), false, func(x Detection) { last = x }) })
		}
		run(&w)
		want := time.Duration(1e9 * factor * alone * float64(n))
		if got := last.Done - last.Started; !moment(got, want, 1) {
			t.Fatalf("a batch of %d took %v, want %v", n, got, want)
		}
		u := d.Usage(w.Now())
		if !moment(u.Busy, want, 1) {
			t.Errorf("the device was busy for %v, want %v", u.Busy, want)
		}
		// Busy time is whole nanoseconds, of work that takes 66 µs or more.
		if got, want := u.SMSeconds/u.Busy.Seconds(), cfg.Job.Work/alone/factor; math.Abs(got-want) > 1e-4*want {
			t.Errorf("%v SMs were used in the mean, want %v", got, want)
		}
	})
}

// What cores did for an engine or a detector is what the host was busy with.
func TestHostTimeIsTheHosts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w World
		h := NewHost(&w, rapid.IntRange(1, 4).Draw(t, "cores"))
		cfg := drawDetector(t)
		cfg.Workers, cfg.Queue, cfg.BatchSize = 2, 20, rapid.IntRange(1, 3).Draw(t, "batch")
		det := NewDetector(&w, h, w.AddDevice(testDevice), Client{Share: 1}, cfg)
		e := NewEngine(&w, h, w.AddDevice(testDevice), Client{Share: 1}, EngineConfig{
			MaxSeqs: 4, MaxTokens: 100, KVBlocks: 100, BlockTokens: 16, Frontend: 3 * ms, ImageFrontend: 5 * ms, Gap: ms,
			Base: 0.1, PerToken: 0.001, PerSequence: 0.001, Parallel: 100,
		}.SlowWorker(rapid.Float64Range(1, 3).Draw(t, "factor")))
		for i := range rapid.IntRange(1, 20).Draw(t, "requests") {
			w.At(time.Duration(i)*5*ms, func() {
				det.Submit(uint64(i), i%4 == 3, func(Detection) {})
				e.Submit(Call{PromptTokens: 40, OutputTokens: 3, Images: i % 2})
			})
		}
		run(&w)
		got, want := det.HostTime()+e.HostTime(), time.Duration(h.Busy(w.Now())*1e9)
		if (got - want).Abs() > time.Microsecond {
			t.Errorf("detector and engine had the cores for %v, the host was busy for %v", got, want)
		}
	})
}
