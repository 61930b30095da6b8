package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A DetectorConfig describes one detection model behind TorchServe's kind of
// queue: workers take requests, first come first served, one batch at a time.
type DetectorConfig struct {
	Workers int // processes, at least 0
	Queue   int // requests that may wait, at least 0
	// BatchSize is the most requests that a worker takes at once; 0 is 1,
	// TorchServe's default.
	BatchSize int
	// BatchDelay is how long a worker that has a request waits for more.
	BatchDelay time.Duration
	// Before and After are the worker's time on one core of the host on both
	// sides of the GPU's work, for one request: decode and resize, then boxes
	// and JSON. A batch of n takes n times as long.
	Before, After time.Duration
	// Bursts is into how many equal parts a batch's job falls; 0 is 1. Before
	// each, the worker's core works for Launch: a model run kernel by kernel
	// (PyTorch's eager mode) launches them, and waits for the GPU where what
	// comes next depends on its result. A GPU that is free in between may go to
	// others. Simplification: real parts are not equal, and launches run ahead
	// of the GPU where nothing waits, so that this is an effective number.
	Bursts int
	Launch time.Duration
	// Job is that of a request of median size. A batch's job is the sum of its
	// requests' jobs, SMs with them: it launches that many times the blocks.
	// Simplification: a batch reads the weights once for each request.
	Job Job
	// Serial is a handler that runs the requests of a batch one after the other: a
	// batch then uses no more SMs at once than one of them.
	Serial bool
	// Spread is the standard deviation of the logarithm of the requests' work
	// and bytes (log-normal); 0 makes all alike.
	Spread float64
}

// A Detection is a request that a worker has finished.
//
// Arrived ≤ Taken ≤ Started ≤ Done. From Arrived to Taken it waited for a
// worker. From Taken to Started it waited within a batch for more requests;
// TorchServe's queue time is Started - Arrived, since it stamps a batch's jobs
// when the batch is complete (pytorch/serve Model.pollBatch, Job.setScheduled).
// From Started to Done the worker had it: waiting for a core, host work, GPU.
type Detection struct {
	Arrived, Taken, Started, Done time.Duration
	Batch                         int // requests that its worker took together
}

// A Detector is the workers of one model and their queue. One worker at a time
// collects a batch, as in TorchServe, where it holds the model's lock: what
// comes meanwhile joins that batch though other workers are idle.
type Detector struct {
	world   *World
	host    *Host
	device  *Device
	client  Client
	cfg     DetectorConfig
	target  int // workers that there should be
	workers []*worker
	idle    fifo[*worker]
	forming *worker // collects a batch that has room; nil if none does
	queue   fifo[request]
	spare   []request // the memory of a batch that is done
	source  *rand.PCG
	random  *rand.Rand
	hosted  time.Duration // that cores worked for it
	closed  bool
}

type request struct {
	Detection
	seed    uint64
	corrupt bool
	done    func(Detection)
}

// A worker's funcs are made once: it has one batch at a time.
type worker struct {
	process  ProcessID
	batch    []request
	deadline time.Duration // of forming it
	burst    Job           // a part of the batch's job
	left     int           // parts that are not done

	expired, decoded, launched, computed, answered func()
}

// NewDetector starts the workers on a device.
func NewDetector(w *World, h *Host, d *Device, c Client, cfg DetectorConfig) *Detector {
	cfg.BatchSize, cfg.Bursts = max(1, cfg.BatchSize), max(1, cfg.Bursts)
	if cfg.Workers < 0 || cfg.Launch < 0 || cfg.Queue < 0 || cfg.BatchDelay < 0 || cfg.Before < 0 || cfg.After < 0 || cfg.Spread < 0 {
		panic(fmt.Sprintf("model: no detector can be %+v", cfg))
	}
	t := &Detector{world: w, host: h, device: d, client: c, cfg: cfg, source: rand.NewPCG(0, 1)}
	t.random = rand.New(t.source)
	t.Scale(cfg.Workers)
	return t
}

// Scale sets the number of workers, at least 0. New ones are there at once;
// those that are too many end when they have nothing to do. With none, requests
// wait.
func (t *Detector) Scale(workers int) {
	if workers < 0 || t.closed {
		panic(fmt.Sprintf("model: scale to %d workers (closed: %v)", workers, t.closed))
	}
	t.target = workers
	for len(t.workers) < workers {
		w := t.newWorker()
		t.workers = append(t.workers, w)
		t.idle.push(w)
	}
	for len(t.workers) > workers && t.idle.len() > 0 {
		t.end(t.idle.popBack())
	}
	t.dispatch()
}

func (t *Detector) newWorker() *worker {
	w := &worker{process: t.device.AddProcess(t.client)}
	w.expired = func() {
		if t.forming == w && t.world.Now() >= w.deadline && !t.closed {
			t.start(w)
		}
	}
	w.decoded = func() {
		t.hosted += time.Duration(len(w.batch)) * t.cfg.Before
		t.decoded(w)
	}
	w.launched = func() {
		t.hosted += t.cfg.Launch
		t.launched(w)
	}
	w.computed = func() { t.computed(w) }
	w.answered = func() {
		t.hosted += time.Duration(w.sound()) * t.cfg.After
		t.finish(w)
	}
	return w
}

// end takes a worker away that has nothing to do.
func (t *Detector) end(w *worker) {
	t.workers = slices.DeleteFunc(t.workers, func(o *worker) bool { return o == w })
	t.device.RemoveProcess(t.world.Now(), w.process)
}

// Submit brings a request now; false says that the queue is full. The seed
// decides the request's size. A corrupt one fails on the host and never
// reaches the GPU; its answer comes with those of its batch, which it does not
// spoil. It cannot be taken back, as in TorchServe.
func (t *Detector) Submit(seed uint64, corrupt bool, done func(Detection)) bool {
	r := request{seed: seed, corrupt: corrupt, done: done}
	r.Arrived = t.world.Now()
	if t.forming != nil {
		t.join(t.forming, r)
		return true
	}
	if t.idle.len() == 0 && t.queue.len() >= t.cfg.Queue {
		return false
	}
	t.queue.push(r)
	t.dispatch()
	return true
}

// Workers is the number of workers, with those that are to end.
func (t *Detector) Workers() int { return len(t.workers) }

// Target is the number of workers that there are to be, at least 0: what Scale
// was told last. While workers that are too many end, there are more.
func (t *Detector) Target() int { return t.target }

// Pending is the number of requests that wait for a worker.
func (t *Detector) Pending() int { return t.queue.len() }

// HostTime is the time that cores of the host worked for it, of pieces of work that
// are done.
func (t *Detector) HostTime() time.Duration { return t.hosted }

// Close ends the workers; requests that are not done never are. Simplification:
// what they have on the host runs on there to its end.
func (t *Detector) Close() {
	t.closed, t.queue = true, fifo[request]{}
	for _, w := range t.workers {
		t.device.RemoveProcess(t.world.Now(), w.process)
	}
	t.workers, t.idle = nil, fifo[*worker]{}
}

// dispatch lets idle workers take what waits.
func (t *Detector) dispatch() {
	for t.forming == nil && t.idle.len() > 0 && t.queue.len() > 0 {
		w := t.idle.pop()
		t.forming, w.deadline = w, t.world.Now()+t.cfg.BatchDelay
		for t.forming == w && t.queue.len() > 0 {
			t.join(w, t.queue.pop())
		}
		switch {
		case t.forming != w:
		case t.cfg.BatchDelay == 0:
			t.start(w)
		default:
			t.world.At(w.deadline, w.expired)
		}
	}
}

// join adds a request to a batch that has room.
func (t *Detector) join(w *worker, r request) {
	r.Taken = t.world.Now()
	w.batch = append(w.batch, r)
	if len(w.batch) == t.cfg.BatchSize {
		t.start(w)
	}
}

// start lets a worker do its batch.
func (t *Detector) start(w *worker) {
	t.forming = nil
	for i := range w.batch {
		w.batch[i].Started, w.batch[i].Batch = t.world.Now(), len(w.batch)
	}
	t.host.Run(time.Duration(len(w.batch))*t.cfg.Before, w.decoded)
}

func (t *Detector) decoded(w *worker) {
	if t.closed {
		return
	}
	var sum Job
	for _, r := range w.batch {
		if !r.corrupt {
			size := t.size(r.seed)
			sum.Work += size * t.cfg.Job.Work
			sum.Bytes += size * t.cfg.Job.Bytes
			if sum.Parallel == 0 || !t.cfg.Serial {
				sum.Parallel += t.cfg.Job.Parallel
			}
		}
	}
	if sum.Parallel == 0 {
		t.finish(w)
		return
	}
	k := float64(t.cfg.Bursts)
	w.burst, w.left = Job{Work: sum.Work / k, Parallel: sum.Parallel, Bytes: sum.Bytes / k}, t.cfg.Bursts
	t.launch(w)
}

// launch begins the next part of a worker's job.
func (t *Detector) launch(w *worker) {
	if t.cfg.Launch == 0 {
		t.launched(w)
		return
	}
	t.host.Run(t.cfg.Launch, w.launched)
}

func (t *Detector) launched(w *worker) {
	if !t.closed {
		t.world.Submit(t.device, w.process, w.burst, w.computed)
	}
}

func (t *Detector) computed(w *worker) {
	if t.closed {
		return
	}
	if w.left--; w.left > 0 {
		t.launch(w)
		return
	}
	t.host.Run(time.Duration(w.sound())*t.cfg.After, w.answered)
}

// sound counts the requests of a worker's batch that reach the GPU.
func (w *worker) sound() (n int) {
	for _, r := range w.batch {
		if !r.corrupt {
			n++
		}
	}
	return n
}

func (t *Detector) finish(w *worker) {
	if t.closed {
		return
	}
	batch := w.batch
	w.batch, t.spare = t.spare, nil
	if len(t.workers) > t.target {
		t.end(w)
	} else {
		t.idle.push(w)
		t.dispatch()
	}
	for _, r := range batch {
		r.Done = t.world.Now()
		r.done(r.Detection)
	}
	clear(batch)
	t.spare = batch[:0]
}

// size is the work of the request with that seed, in median ones.
func (t *Detector) size(seed uint64) float64 {
	if t.cfg.Spread == 0 {
		return 1
	}
	t.source.Seed(seed, 1)
	return math.Exp(t.cfg.Spread * t.random.NormFloat64())
}
