package model

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A DeviceConfig is what a Device is made of.
type DeviceConfig struct {
	SMs float64 // streaming multiprocessors, more than 0
	// Bandwidth is that of the device's memory (DRAM) in bytes/s, more than 0;
	// infinite where it never limits.
	Bandwidth float64
	// Quantum is how long a context keeps the device while others wait; more
	// than 0.
	Quantum time.Duration
	// Switch is how long the device is idle when another context gets it.
	Switch time.Duration
}

// A Client says how a process uses a device.
type Client struct {
	// MPS joins the context of all MPS clients of the device.
	MPS bool
	// Share bounds the part of the device's SMs that the process may use,
	// 0 < Share ≤ 1; 1 is no bound. MPS calls it the active thread percentage.
	Share float64
}

// A Job is one piece of GPU work; a process runs its jobs one after another.
// Alone it takes the longer of its two times (the roofline model: Williams,
// Waterman, Patterson, CACM 52(4), 2009):
//
//	max(Work / min(Parallel, Share × SMs), Bytes / Bandwidth)
//
// Simplification: however few SMs it has, it can draw the whole bandwidth.
type Job struct {
	Work     float64 // SM-seconds, at least 0
	Parallel float64 // SMs that it can use at the most, more than 0
	Bytes    float64 // that it moves to and from device memory, at least 0
}

// Usage is what was done on a device since it was made, or by a process since
// it was added. Busy + Switching + idle time = the time since then.
type Usage struct {
	// Busy is the time in which at least one of its jobs ran.
	Busy time.Duration
	// Switching is the time that the device stood idle to give its contexts
	// their turns, Switches how often. For a process they are those that gave
	// its context the device, which MPS clients share, since that context was
	// made.
	Switching time.Duration
	Switches  int64
	SMSeconds float64 // time of SMs with work: at the full clock, the work done
	Bytes     float64 // moved to and from memory
}

// A ProcessID names a process of one Device.
type ProcessID int

// A JobID names a job of one Device.
type JobID int64

// A Completion is the end of a job.
type Completion struct {
	Job JobID
	At  time.Duration
}

// A Device is a whole GPU or a MIG instance: an instance has its own SMs and
// its own part of the memory's bandwidth, and nothing in common with another.
// Contexts have the device in turns, one at a time; within the context of the
// MPS clients processes run together (see share.go). Its state changes only at
// its events (a job comes, ends, or a turn passes on), and their moments
// follow from the state, so that results do not depend on when it is asked.
type Device struct {
	cfg      DeviceConfig
	clock    float64       // of the SMs, as a share of their full one
	now      time.Duration // of the latest change; what is left holds for it
	at       time.Duration // of the next change; never if there is none
	contexts []*gpuContext // in order of creation: the order of turns
	mps      *gpuContext   // nil while there is no MPS client
	procs    map[ProcessID]*process
	lastProc ProcessID
	lastJob  JobID

	holder    *gpuContext   // has the device, or had it last; nil at first
	switching bool          // holder gets the device at turn
	turn      time.Duration // when holder's present turn begins or began

	usage  Usage            // as of now
	done   fifo[completion] // not yet handed out
	free   *job             // linked by next
	claims []claim          // of share, kept for its memory
}

type completion struct {
	Completion
	f func()
}

type gpuContext struct {
	procs  []*process
	index  int // within the device's contexts
	active int // processes that have a job

	switching time.Duration
	switches  int64
}

type process struct {
	id          ProcessID
	context     *gpuContext
	limit       float64 // SMs
	first, last *job    // the first one runs when the context has the device
	usage       Usage   // but the switches
}

type job struct {
	Job
	id    JobID
	f     func()
	next  *job
	left  float64       // part that is not done, 1 to 0
	speed float64       // parts/s at present, 0 while waiting
	end   time.Duration // at this speed
}

// NewDevice makes an idle device at time 0.
func NewDevice(cfg DeviceConfig) *Device {
	if !(cfg.SMs > 0) || math.IsInf(cfg.SMs, 0) || !(cfg.Bandwidth > 0) || cfg.Quantum <= 0 || cfg.Switch < 0 {
		panic(fmt.Sprintf("model: no device can be %+v", cfg))
	}
	return &Device{cfg: cfg, clock: 1, at: never, procs: make(map[ProcessID]*process)}
}

// SetClock lets the SMs run at a share of their full clock from now on, 0 < share ≤ 1,
// which is 1 at first. The present clock is that share: work that SMs limit takes
// 1/share as long, memory is as fast as it was, and turns are as long. Now must not
// lie before an earlier call's time.
func (d *Device) SetClock(now time.Duration, share float64) {
	if !(share > 0 && share <= 1) {
		panic(fmt.Sprintf("model: clock %v is not in (0, 1]", share))
	}
	d.runTo(now)
	d.settle(now)
	d.clock = share
	d.arrange(now)
}

// Config is what the device was made of.
func (d *Device) Config() DeviceConfig { return d.cfg }

// AddProcess makes a process that can submit jobs.
func (d *Device) AddProcess(c Client) ProcessID {
	if !(c.Share > 0 && c.Share <= 1) {
		panic(fmt.Sprintf("model: share %v is not in (0, 1]", c.Share))
	}
	d.lastProc++
	p := &process{id: d.lastProc, limit: c.Share * d.cfg.SMs}
	if c.MPS && d.mps != nil {
		p.context = d.mps
	} else {
		p.context = &gpuContext{index: len(d.contexts)}
		d.contexts = append(d.contexts, p.context)
		if c.MPS {
			d.mps = p.context
		}
	}
	p.context.procs = append(p.context.procs, p)
	d.procs[p.id] = p
	return p.id
}

// RemoveProcess ends a process; its jobs never complete.
func (d *Device) RemoveProcess(now time.Duration, id ProcessID) {
	d.runTo(now)
	d.settle(now)
	p := d.procs[id]
	delete(d.procs, id)
	c := p.context
	c.procs = slices.DeleteFunc(c.procs, func(q *process) bool { return q == p })
	if p.first != nil {
		c.active--
		p.last.next, d.free = d.free, p.first
	}
	if len(c.procs) == 0 {
		d.removeContext(now, c)
	}
	d.arrange(now)
}

func (d *Device) removeContext(now time.Duration, c *gpuContext) {
	if c == d.mps {
		d.mps = nil
	}
	// The order of turns goes on where the context stood.
	if c == d.holder {
		d.pass(now)
		if c == d.holder {
			d.holder, d.switching = nil, false
		}
	}
	d.contexts = slices.Delete(d.contexts, c.index, c.index+1)
	for i, o := range d.contexts {
		o.index = i
	}
}

// Processes is the number of processes.
func (d *Device) Processes() int { return len(d.procs) }

// Submit gives a process a job at now, which must not lie before an earlier
// call's time.
func (d *Device) Submit(now time.Duration, id ProcessID, j Job) JobID {
	return d.submit(now, id, j, nil)
}

func (d *Device) submit(now time.Duration, id ProcessID, what Job, f func()) JobID {
	if !(what.Work >= 0 && what.Bytes >= 0 && what.Parallel > 0) || math.IsInf(what.Work, 0) || math.IsInf(what.Bytes, 0) {
		panic(fmt.Sprintf("model: no job can be %+v", what))
	}
	d.runTo(now)
	d.settle(now)
	p := d.procs[id]
	d.lastJob++
	if d.holder != nil && !d.switching && d.waiting() == nil {
		// Alone, the holder's turns followed each other without a cost.
		d.turn += (now - d.turn) / d.cfg.Quantum * d.cfg.Quantum
	}
	j := d.free
	if j == nil {
		j = new(job)
	} else {
		d.free = j.next
	}
	*j = job{Job: what, id: d.lastJob, f: f, left: 1}
	if p.first != nil {
		// It waits behind the process's other jobs; nothing else changes, but
		// that the turns of a lone holder were counted anew.
		p.last.next, p.last = j, j
		d.at = d.next()
		return j.id
	}
	p.first, p.last = j, j
	p.context.active++
	d.arrange(now)
	return j.id
}

// NextEvent is the moment of the next change; false if the device is idle and
// everything was handed out.
func (d *Device) NextEvent() (time.Duration, bool) {
	at := d.event()
	return at, at != never
}

func (d *Device) event() time.Duration {
	if d.done.len() > 0 {
		return d.done.all()[0].At
	}
	return d.at
}

// Advance lets time pass up to and with to, and gives the completions that
// were not handed out before, in order of time.
func (d *Device) Advance(to time.Duration) []Completion {
	d.runTo(to)
	var done []Completion
	for d.done.len() > 0 {
		done = append(done, d.done.pop().Completion)
	}
	return done
}

// next is the moment of the next change within the device.
func (d *Device) next() time.Duration {
	switch {
	case d.holder == nil:
		return never
	case d.switching:
		return d.turn
	}
	at := never
	for _, p := range d.holder.procs {
		if p.first != nil {
			at = min(at, p.first.end)
		}
	}
	if end := d.turn + d.cfg.Quantum; end < at && at != never && d.waiting() != nil {
		at = end
	}
	return at
}

func (d *Device) runTo(to time.Duration) {
	for d.at <= to && d.at != never {
		d.change(d.at)
	}
}

// change carries out what falls to at, the next event.
func (d *Device) change(at time.Duration) {
	d.settle(at)
	d.switching = false // if it was, the turn begins now
	for _, p := range d.holder.procs {
		if p.first != nil && p.first.speed > 0 && p.first.end <= at {
			d.complete(p, at)
		}
	}
	if at >= d.turn+d.cfg.Quantum {
		d.pass(at)
	}
	d.arrange(at)
}

// complete ends the first job of a process.
func (d *Device) complete(p *process, at time.Duration) {
	j := p.first
	d.count(p, j, j.left) // what rounding left
	d.done.push(completion{Completion{Job: j.id, At: at}, j.f})
	p.first = j.next
	j.f, j.next, d.free = nil, d.free, j
	if p.first == nil {
		p.last = nil
		p.context.active--
	}
}

// pass gives the device to the next context in turn that has work, if another
// than the holder has.
func (d *Device) pass(now time.Duration) {
	next := d.waiting()
	if next == nil {
		return
	}
	for _, p := range d.holder.procs {
		if p.first != nil {
			p.first.speed = 0
		}
	}
	d.holder, d.switching, d.turn = next, d.cfg.Switch > 0, now+d.cfg.Switch
	d.usage.Switches++
	next.switches++
}

// waiting is the first context after the holder that has work.
func (d *Device) waiting() *gpuContext {
	from := 0
	if d.holder != nil {
		from = d.holder.index + 1
	}
	for _, c := range d.contexts[from:] {
		if c.active > 0 {
			return c
		}
	}
	for _, c := range d.contexts[:max(0, from-1)] {
		if c.active > 0 {
			return c
		}
	}
	return nil
}

// arrange decides who has the device from now on and how fast jobs run.
func (d *Device) arrange(now time.Duration) {
	switch {
	case d.holder == nil:
		// The first context ever has nobody to switch from.
		if c := d.waiting(); c != nil {
			d.holder, d.turn = c, now
		}
	case !d.switching && d.holder.active == 0:
		d.pass(now)
	}
	if d.holder != nil && !d.switching && d.holder.active > 0 {
		d.share(now)
	}
	d.at = d.next()
}
