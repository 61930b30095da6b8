package model

import (
	"math"
	"math/rand/v2"
	"time"
)

// A DetectorConfig describes one detection model behind TorchServe's kind of
// queue: workers take requests one at a time, first come first served.
type DetectorConfig struct {
	Workers int // processes, at least 1
	Queue   int // requests that may wait, at least 0
	// Before and After are the worker's time on the host on both sides of the
	// GPU's work: decode and resize, then boxes and JSON.
	Before, After time.Duration
	Job           Job // of a request of median size
	// Spread is the standard deviation of the logarithm of the requests' work
	// (log-normal); 0 makes all alike.
	Spread float64
}

// A Detection is a request that a worker has finished.
type Detection struct {
	// Arrived ≤ Started ≤ Done: when it came, when a worker took it, when its
	// answer was ready.
	Arrived, Started, Done time.Duration
}

// A Detector is the workers of one model and their queue.
type Detector struct {
	world   *World
	device  *Device
	cfg     DetectorConfig
	idle    []ProcessID
	workers []ProcessID
	queue   []*detection
	closed  bool
}

type detection struct {
	Detection
	seed    uint64
	corrupt bool
	done    func(Detection)
}

// NewDetector starts the workers on a device.
func NewDetector(w *World, d *Device, c Client, cfg DetectorConfig) *Detector {
	t := &Detector{world: w, device: d, cfg: cfg}
	for range cfg.Workers {
		t.workers = append(t.workers, d.AddProcess(c))
	}
	t.idle = append(t.idle, t.workers...)
	return t
}

// Submit brings a request now; false says that the queue is full. The seed
// decides the request's size. A corrupt one fails on the host and never
// reaches the GPU. It cannot be taken back, as in TorchServe.
func (t *Detector) Submit(seed uint64, corrupt bool, done func(Detection)) bool {
	r := &detection{seed: seed, corrupt: corrupt, done: done}
	r.Arrived = t.world.Now()
	switch {
	case len(t.idle) > 0:
		t.serve(r)
	case len(t.queue) < t.cfg.Queue:
		t.queue = append(t.queue, r)
	default:
		return false
	}
	return true
}

// Pending is the number of requests that wait for a worker.
func (t *Detector) Pending() int { return len(t.queue) }

// Busy is the number of workers that serve a request.
func (t *Detector) Busy() int { return len(t.workers) - len(t.idle) }

// Close ends the workers; requests that are not done never are.
func (t *Detector) Close() {
	t.closed, t.queue = true, nil
	for _, p := range t.workers {
		t.device.RemoveProcess(t.world.Now(), p)
	}
}

func (t *Detector) serve(r *detection) {
	p := t.idle[0]
	t.idle = t.idle[1:]
	r.Started = t.world.Now()
	t.world.At(r.Started+t.cfg.Before, func() {
		switch {
		case t.closed:
		case r.corrupt:
			t.finish(p, r)
		default:
			t.world.Submit(t.device, p, t.cfg.sized(r.seed), func() {
				t.world.At(t.world.Now()+t.cfg.After, func() { t.finish(p, r) })
			})
		}
	})
}

func (t *Detector) finish(p ProcessID, r *detection) {
	if t.closed {
		return
	}
	r.Done = t.world.Now()
	t.idle = append(t.idle, p)
	if len(t.queue) > 0 {
		next := t.queue[0]
		t.queue = t.queue[1:]
		t.serve(next)
	}
	r.done(r.Detection)
}

// sized is the GPU job of the request with that seed.
func (c DetectorConfig) sized(seed uint64) Job {
	j := c.Job
	j.Work *= math.Exp(c.Spread * rand.New(rand.NewPCG(seed, 1)).NormFloat64())
	return j
}
