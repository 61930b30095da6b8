package model

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const ms = time.Millisecond

func run(w *World) {
	for at, ok := w.NextEvent(); ok; at, ok = w.NextEvent() {
		w.Advance(at)
	}
}

// testDevice has 100 SMs and moves 1 MB in 1 ms.
var testDevice = DeviceConfig{SMs: 100, Bandwidth: 1e9, Quantum: ms}

func TestDetectorQueue(t *testing.T) {
	var w World
	det := NewDetector(&w, NewHost(&w, 8), w.AddDevice(testDevice), Client{Share: 1}, DetectorConfig{
		Workers: 1, Queue: 2, Before: 5 * ms, After: 5 * ms, Job: Job{Work: 1, Parallel: 50},
	})
	var done []Detection
	keep := func(x Detection) { done = append(done, x) }
	for i := range 4 {
		// One is served, two wait, the fourth finds the queue full.
		if got, want := det.Submit(1, i == 1, keep), i < 3; got != want {
			t.Fatalf("request %d accepted: %v, want %v", i, got, want)
		}
	}
	if det.Pending() != 2 || busy(det) != 1 {
		t.Errorf("pending %d, busy %d; want 2, 1", det.Pending(), busy(det))
	}
	run(&w)
	// 5 + 1/50 s + 5 = 30 ms each; the corrupt one costs its host stage only.
	want := []Detection{{0, 0, 0, 30 * ms, 1}, {0, 30 * ms, 30 * ms, 35 * ms, 1}, {0, 35 * ms, 35 * ms, 65 * ms, 1}}
	if !slices.Equal(done, want) {
		t.Errorf("detections %v, want %v", done, want)
	}
}

func TestDetectorBatches(t *testing.T) {
	type req struct {
		at      time.Duration
		corrupt bool
	}
	for _, test := range []struct {
		name    string
		workers int
		delay   time.Duration
		reqs    []req
		want    []Detection
	}{
		// A batch of n takes n x 1 ms before, then n x 0.2 SM-s on n x 20 SMs:
		// 10 ms up to 5 requests, then n x 2 ms after.
		{"alone waits for more", 2, 4 * ms, []req{{0, false}}, []Detection{{0, 0, 4 * ms, 17 * ms, 1}}},
		{"full starts at once", 2, 4 * ms, []req{{0, false}, {ms, false}, {2 * ms, false}},
			[]Detection{{0, 0, 2 * ms, 21 * ms, 3}, {ms, ms, 2 * ms, 21 * ms, 3}, {2 * ms, 2 * ms, 2 * ms, 21 * ms, 3}}},
		// The delay counts from the first request, and its end is shut.
		{"late is alone", 2, 4 * ms, []req{{0, false}, {5 * ms, false}},
			[]Detection{{0, 0, 4 * ms, 17 * ms, 1}, {5 * ms, 5 * ms, 9 * ms, 22 * ms, 1}}},
		{"just in time", 2, 4 * ms, []req{{0, false}, {4*ms - 1, false}},
			[]Detection{{0, 0, 4 * ms, 20 * ms, 2}, {4*ms - 1, 4*ms - 1, 4 * ms, 20 * ms, 2}}},
		{"no delay takes what there is", 1, 0, []req{{0, false}, {ms, false}, {2 * ms, false}},
			[]Detection{{0, 0, 0, 13 * ms, 1}, {ms, 13 * ms, 13 * ms, 29 * ms, 2}, {2 * ms, 13 * ms, 13 * ms, 29 * ms, 2}}},
		{"a corrupt one spoils nothing", 1, 4 * ms, []req{{0, true}, {0, false}, {0, true}},
			[]Detection{{0, 0, 0, 15 * ms, 3}, {0, 0, 0, 15 * ms, 3}, {0, 0, 0, 15 * ms, 3}}},
	} {
		var w World
		det := NewDetector(&w, NewHost(&w, 8), w.AddDevice(testDevice), Client{MPS: true, Share: 1}, DetectorConfig{
			Workers: test.workers, Queue: 9, BatchSize: 3, BatchDelay: test.delay, Before: ms, After: 2 * ms,
			Job: Job{Work: 0.2, Parallel: 20, Bytes: 1000},
		})
		got := make([]Detection, len(test.reqs))
		for i, r := range test.reqs {
			w.At(r.at, func() { det.Submit(1, r.corrupt, func(d Detection) { got[i] = d }) })
		}
		run(&w)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// Batches are never too large, never wait too long, and no worker is idle while
// a request waits; requests are taken in the order in which they came.
func TestDetectorLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w World
		d := w.AddDevice(testDevice)
		h := NewHost(&w, rapid.IntRange(1, 4).Draw(t, "cores"))
		cfg := DetectorConfig{
			Workers: rapid.IntRange(1, 3).Draw(t, "workers"), Queue: rapid.IntRange(0, 10).Draw(t, "queue"),
			BatchSize: rapid.IntRange(1, 4).Draw(t, "batch"), BatchDelay: time.Duration(rapid.IntRange(0, 10).Draw(t, "delay")) * ms,
			Before: ms, After: ms, Spread: 0.5, Job: Job{Work: 0.3, Parallel: 30, Bytes: 1e6},
		}
		det := NewDetector(&w, h, d, Client{MPS: rapid.Bool().Draw(t, "mps"), Share: 1}, cfg)
		n := rapid.IntRange(1, 30).Draw(t, "requests")
		got, refused := make([]Detection, n), 0
		var at time.Duration
		for i := range n {
			at += time.Duration(rapid.IntRange(0, 10).Draw(t, "gap")) * ms
			corrupt := rapid.IntRange(0, 5).Draw(t, "corrupt") == 0
			w.At(at, func() {
				if !det.Submit(uint64(i), corrupt, func(x Detection) { got[i] = x }) {
					refused++
					if det.Pending() < cfg.Queue || busy(det) < det.Workers() || det.forming != nil {
						t.Fatalf("refused with %d of %d waiting, %d of %d workers busy", det.Pending(), cfg.Queue, busy(det), det.Workers())
					}
				}
			})
		}
		scale := time.Duration(rapid.IntRange(0, 100).Draw(t, "scale")) * ms
		to := rapid.IntRange(1, 4).Draw(t, "to")
		w.At(scale, func() { det.Scale(to) })
		for next, ok := w.NextEvent(); ok; next, ok = w.NextEvent() {
			w.Advance(next)
			if det.Pending() > 0 && (busy(det) < det.Workers() || det.forming != nil) {
				t.Fatalf("%d wait, %d of %d workers are busy", det.Pending(), busy(det), det.Workers())
			}
			if det.Workers() > max(to, cfg.Workers) || det.Pending() > cfg.Queue || d.Processes() != det.Workers() {
				t.Fatalf("%d workers, %d processes, %d wait", det.Workers(), d.Processes(), det.Pending())
			}
		}
		if det.Workers() != to || det.Target() != to || busy(det) != 0 || det.Pending() != 0 {
			t.Fatalf("at the end %d workers, %d busy, %d wait", det.Workers(), busy(det), det.Pending())
		}
		answered := slices.DeleteFunc(got, func(x Detection) bool { return x == (Detection{}) })
		if len(answered) != n-refused {
			t.Fatalf("%d of %d requests were refused, %d have an answer", refused, n, len(answered))
		}
		batchLaws(t, cfg, answered)
	})
}

// busy is the number of workers that have a request.
func busy(d *Detector) int { return len(d.workers) - d.idle.len() }

// batchLaws checks all answers, in the order in which the requests came.
func batchLaws(t *rapid.T, cfg DetectorConfig, answers []Detection) {
	var last, first Detection // first of the batch, which is in one piece
	left := 0
	for i, x := range answers {
		if left--; left < 0 {
			first, left = x, x.Batch-1
		}
		switch {
		case x.Batch != first.Batch || x.Started != first.Started || x.Done != first.Done:
			t.Fatalf("request %d: %+v, the first of its batch %+v", i, x, first)
		case x.Batch < cfg.BatchSize && x.Started != first.Taken+cfg.BatchDelay:
			t.Fatalf("request %d: its batch had room and did not wait %v: %+v", i, cfg.BatchDelay, first)
		case x.Taken < x.Arrived || x.Started < x.Taken || x.Done < x.Started+ms:
			t.Fatalf("request %d: %+v", i, x)
		case x.Taken < last.Taken || x.Started < last.Started:
			t.Fatalf("request %d overtakes: %+v after %+v", i, x, last)
		case x.Batch < 1 || x.Batch > cfg.BatchSize:
			t.Fatalf("request %d: a batch of %d, at most %d", i, x.Batch, cfg.BatchSize)
		case x.Started-x.Taken > cfg.BatchDelay:
			t.Fatalf("request %d: waited %v for its batch, at most %v", i, x.Started-x.Taken, cfg.BatchDelay)
		case x.Batch == cfg.BatchSize && cfg.BatchSize == 1 && x.Started != x.Taken:
			t.Fatalf("request %d waited for nobody: %+v", i, x)
		}
		last = x
	}
	if left != 0 {
		t.Fatalf("the last batch lacks %d answers", left)
	}
}

func TestDetectorScales(t *testing.T) {
	var w World
	d := w.AddDevice(testDevice)
	det := NewDetector(&w, NewHost(&w, 8), d, Client{MPS: true, Share: 1}, DetectorConfig{
		Queue: 9, Job: Job{Work: 0.1, Parallel: 10}, // 10 ms each, beside each other
	})
	var log []string
	note := func(what string) {
		log = append(log, fmt.Sprintf("%v %s: %d workers, %d busy, %d wait", w.Now(), what, det.Workers(), busy(det), det.Pending()))
	}
	for range 5 {
		det.Submit(1, false, func(Detection) { note("done") })
	}
	note("none")
	det.Scale(3)
	note("three")
	w.At(ms, func() { det.Scale(1); note("one") })
	w.At(2*ms, func() { det.Scale(2); note("two") })
	run(&w)
	det.Scale(0)
	note("none")
	want := []string{
		"0s none: 0 workers, 0 busy, 5 wait",
		"0s three: 3 workers, 3 busy, 2 wait",
		"1ms one: 3 workers, 3 busy, 2 wait",
		"2ms two: 3 workers, 3 busy, 2 wait",
		// Three end at once: the first one goes, the others take what waits.
		"10ms done: 2 workers, 2 busy, 2 wait",
		"10ms done: 2 workers, 2 busy, 1 wait",
		"10ms done: 2 workers, 2 busy, 0 wait",
		"20ms done: 2 workers, 1 busy, 0 wait",
		"20ms done: 2 workers, 0 busy, 0 wait",
		"20ms none: 0 workers, 0 busy, 0 wait",
	}
	if !slices.Equal(log, want) {
		t.Errorf("log:\n%q\nwant:\n%q", log, want)
	}
	if d.Processes() != 0 {
		t.Errorf("%d processes are left", d.Processes())
	}
}

// A job in parts leaves the GPU to others while the host launches the next
// part, and is the same work.
func TestDetectorBursts(t *testing.T) {
	var w World
	d, h := w.AddDevice(testDevice), NewHost(&w, 8)
	det := NewDetector(&w, h, d, Client{Share: 1}, DetectorConfig{
		Workers: 2, Queue: 9, Before: 5 * ms, After: ms, Bursts: 2, Launch: 3 * ms, Job: Job{Work: 0.6, Parallel: 100, Bytes: 1000},
	})
	var done []time.Duration
	for i := range 2 {
		// The second one comes 3 ms later: its parts fill the first one's gaps.
		w.At(time.Duration(i)*3*ms, func() { det.Submit(1, false, func(x Detection) { done = append(done, x.Done) }) })
	}
	run(&w)
	// GPU 8..11 and 14..17, with 11..14 and 17..20 for the other.
	if want := []time.Duration{18 * ms, 21 * ms}; !slices.Equal(done, want) {
		t.Errorf("done at %v, want %v", done, want)
	}
	if u := d.Usage(w.Now()); u.Busy != 12*ms || !near(u.SMSeconds, 1.2) || !near(u.Bytes, 2000) || !near(h.Busy(w.Now()), 0.024) {
		t.Errorf("usage %+v, host %v", u, h.Busy(w.Now()))
	}
}

// The worker of a detector that is closed finishes nothing, whatever stage it
// is in, and leaves no process.
func TestClosedDetectorIsSilent(t *testing.T) {
	for at := range 40 * ms / (ms / 2) {
		var w World
		d := w.AddDevice(testDevice)
		det := NewDetector(&w, NewHost(&w, 1), d, Client{Share: 1}, DetectorConfig{
			Workers: 2, Queue: 9, BatchSize: 2, BatchDelay: 3 * ms, Before: 5 * ms, After: 5 * ms, Bursts: 2, Launch: ms, Job: Job{Work: 1, Parallel: 100},
		})
		closed := false
		for range 3 {
			det.Submit(1, false, func(Detection) {
				if closed {
					t.Errorf("closed at %v: answered at %v", at*ms/2, w.Now())
				}
			})
		}
		w.At(at*ms/2, func() { det.Close(); closed = true })
		run(&w)
		if d.Processes() != 0 {
			t.Errorf("closed at %v: %d processes are left", at*ms/2, d.Processes())
		}
	}
}
