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
	// 0 < Share ≤ 1; 1 is no bound.
	Share float64
}

// A Job is one piece of GPU work; a process runs its jobs one after another.
type Job struct {
	Work     float64 // SM-seconds, at least 0
	Parallel float64 // SMs that it can use at the most, more than 0
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

// A Device is a whole GPU or a MIG instance. Its state changes only at its
// events (a job comes, ends, or a turn passes on), and their moments follow
// from the state, so that results do not depend on when it is asked.
type Device struct {
	cfg      DeviceConfig
	now      time.Duration // of the latest change; what is left holds for it
	contexts []*gpuContext // in order of creation: the order of turns
	mps      *gpuContext   // nil while there is no MPS client
	procs    map[ProcessID]*process
	lastProc ProcessID
	lastJob  JobID

	holder    *gpuContext   // has the device, or had it last; nil at first
	switching bool          // holder gets the device at turn
	turn      time.Duration // when holder's present turn begins or began
	done      []Completion  // not yet handed out
}

type gpuContext struct{ procs []*process }

type process struct {
	id      ProcessID
	context *gpuContext
	limit   float64 // SMs
	jobs    []*job  // the first one runs when the context has the device
}

type job struct {
	id       JobID
	left     float64 // SM-seconds
	parallel float64
	rate     float64       // SMs at present, 0 while waiting
	end      time.Duration // at this rate
}

// NewDevice makes an idle device at time 0.
func NewDevice(cfg DeviceConfig) *Device {
	if cfg.SMs <= 0 || cfg.Quantum <= 0 || cfg.Switch < 0 {
		panic(fmt.Sprintf("model: no device can be %+v", cfg))
	}
	return &Device{cfg: cfg, procs: make(map[ProcessID]*process)}
}

// AddProcess makes a process that can submit jobs.
func (d *Device) AddProcess(c Client) ProcessID {
	if c.Share <= 0 || c.Share > 1 {
		panic(fmt.Sprintf("model: share %v is not in (0, 1]", c.Share))
	}
	d.lastProc++
	p := &process{id: d.lastProc, limit: c.Share * d.cfg.SMs}
	if c.MPS && d.mps != nil {
		p.context = d.mps
	} else {
		p.context = &gpuContext{}
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
	if len(c.procs) == 0 {
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
		d.contexts = slices.DeleteFunc(d.contexts, func(o *gpuContext) bool { return o == c })
	}
	d.arrange(now)
}

// Processes is the number of processes.
func (d *Device) Processes() int { return len(d.procs) }

// Submit gives a process a job at now, which must not lie before an earlier
// call's time.
func (d *Device) Submit(now time.Duration, id ProcessID, j Job) JobID {
	if j.Work < 0 || j.Parallel <= 0 || math.IsInf(j.Work, 0) || math.IsNaN(j.Work) {
		panic(fmt.Sprintf("model: no job can be %+v", j))
	}
	d.runTo(now)
	d.settle(now)
	p := d.procs[id]
	d.lastJob++
	if d.holder != nil && !d.switching && d.waiting() == nil {
		// Alone, the holder's turns followed each other without a cost.
		d.turn += (now - d.turn) / d.cfg.Quantum * d.cfg.Quantum
	}
	p.jobs = append(p.jobs, &job{id: d.lastJob, left: j.Work, parallel: j.Parallel})
	d.arrange(now)
	return d.lastJob
}

// NextEvent is the moment of the next change; false if the device is idle and
// everything was handed out.
func (d *Device) NextEvent() (time.Duration, bool) {
	if len(d.done) > 0 {
		return d.done[0].At, true
	}
	return d.next()
}

// Advance lets time pass up to and with to, and gives the completions that
// were not handed out before, in order of time.
func (d *Device) Advance(to time.Duration) []Completion {
	d.runTo(to)
	done := d.done
	d.done = nil
	return done
}

// next is the moment of the next change within the device.
func (d *Device) next() (time.Duration, bool) {
	switch {
	case d.holder == nil:
		return 0, false
	case d.switching:
		return d.turn, true
	}
	at, ok := time.Duration(math.MaxInt64), false
	for _, p := range d.holder.procs {
		if len(p.jobs) > 0 {
			at, ok = min(at, p.jobs[0].end), true
		}
	}
	if ok && d.waiting() != nil {
		at = min(at, d.turn+d.cfg.Quantum)
	}
	return at, ok
}

func (d *Device) runTo(to time.Duration) {
	for at, ok := d.next(); ok && at <= to; at, ok = d.next() {
		d.change(at)
	}
}

// change carries out what falls to at, the next event.
func (d *Device) change(at time.Duration) {
	d.settle(at)
	d.switching = false // if it was, the turn begins now
	for _, p := range d.holder.procs {
		if len(p.jobs) > 0 && p.jobs[0].rate > 0 && p.jobs[0].end <= at {
			d.done = append(d.done, Completion{Job: p.jobs[0].id, At: at})
			p.jobs = p.jobs[1:]
		}
	}
	if at >= d.turn+d.cfg.Quantum {
		d.pass(at)
	}
	d.arrange(at)
}

// settle brings what is left up to now.
func (d *Device) settle(now time.Duration) {
	if now < d.now {
		panic(fmt.Sprintf("model: device asked for %v, already at %v", now, d.now))
	}
	if d.holder != nil {
		for _, p := range d.holder.procs {
			if len(p.jobs) > 0 {
				j := p.jobs[0]
				j.left = max(0, j.left-j.rate*(now-d.now).Seconds())
			}
		}
	}
	d.now = now
}

// pass gives the device to the next context in turn that has work, if another
// than the holder has.
func (d *Device) pass(now time.Duration) {
	next := d.waiting()
	if next == nil {
		return
	}
	for _, p := range d.holder.procs {
		if len(p.jobs) > 0 {
			p.jobs[0].rate = 0
		}
	}
	d.holder, d.switching, d.turn = next, d.cfg.Switch > 0, now+d.cfg.Switch
}

// waiting is the first context after the holder that has work.
func (d *Device) waiting() *gpuContext {
	at := slices.Index(d.contexts, d.holder)
	for i := range d.contexts {
		c := d.contexts[(at+1+i)%len(d.contexts)]
		if c != d.holder && c.busy() {
			return c
		}
	}
	return nil
}

func (c *gpuContext) busy() bool {
	return slices.ContainsFunc(c.procs, func(p *process) bool { return len(p.jobs) > 0 })
}

// arrange decides who has the device from now on and how fast jobs run.
func (d *Device) arrange(now time.Duration) {
	switch {
	case d.holder == nil:
		// The first context ever has nobody to switch from.
		if c := d.waiting(); c != nil {
			d.holder, d.turn = c, now
		}
	case !d.switching && !d.holder.busy():
		d.pass(now)
	}
	if d.holder != nil && !d.switching {
		d.share(now)
	}
}

// share divides the SMs among the first jobs of the holder's processes: equal
// parts, but none more than it can use, and what one leaves is divided among
// the others (max-min fairness).
func (d *Device) share(now time.Duration) {
	type claim struct {
		job  *job
		most float64
	}
	var claims []claim
	for _, p := range d.holder.procs {
		if len(p.jobs) > 0 {
			claims = append(claims, claim{p.jobs[0], min(p.jobs[0].parallel, p.limit)})
		}
	}
	slices.SortStableFunc(claims, func(a, b claim) int {
		switch {
		case a.most < b.most:
			return -1
		case a.most > b.most:
			return 1
		}
		return 0
	})
	free := d.cfg.SMs
	for i, c := range claims {
		c.job.rate = min(c.most, free/float64(len(claims)-i))
		free -= c.job.rate
		c.job.end = now + time.Duration(math.Ceil(c.job.left/c.job.rate*1e9))
	}
}
