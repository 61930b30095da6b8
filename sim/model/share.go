package model

import (
	"math"
	"time"
)

// A claim is what the first job of one of the holder's processes asks for.
type claim struct {
	job   *job
	work  float64 // SM-seconds that it takes at the present clock
	most  float64 // SMs that it may use
	bound float64 // SMs that it can keep busy at the present memory level
}

// share divides SMs and memory bandwidth among the first jobs of the holder's
// processes. Job i has Work Wi (SM-seconds), Bytes Bi, at most mi SMs
// (Parallel, the client's share), and goes at the speed (parts/s)
//
//	vi = mi·min(1/Wi, s/Wi, b/Bi)
//
// where Wi is at the present clock (SetClock), and s (a share of what each asks for) and b (bytes/s for each SM that is
// asked for) are levels, the same for all: the highest for which Σ vi·Wi ≤ SMs
// and Σ vi·Bi ≤ Bandwidth; a level that limits nobody is infinite. So both are
// shared in proportion to the SMs that jobs can fill, as blocks of several
// grids find their way onto SMs that become free, and each SM has as many loads
// under way as any other. What a job leaves of one because the other slows it
// goes to the rest: no job could go faster but at the cost of one that has no
// more, for its size, of the resource that limits both (the bottleneck fairness
// of Dolev et al., "No Justified Complaints", ITCS 2012, with weights).
//
// Simplification: that the hardware's block scheduler and memory controllers
// share in this sense. Neither caches nor anything else of one job slow
// another.
func (d *Device) share(now time.Duration) {
	if d.holder.active == 1 {
		for _, p := range d.holder.procs {
			if j := p.first; j != nil {
				j.run(now, min(j.Parallel, p.limit)/(j.Work/d.clock), d.cfg.Bandwidth/j.Bytes)
				return
			}
		}
	}
	claims := d.claims[:0]
	for _, p := range d.holder.procs {
		if p.first != nil {
			most := min(p.first.Parallel, p.limit)
			claims = append(claims, claim{p.first, p.first.Work / d.clock, most, most})
		}
	}
	d.claims = claims
	level := d.levels(claims)
	for _, c := range claims {
		c.job.run(now, c.most*min(1, level.sms)/c.work, c.most*level.memory/c.job.Bytes)
	}
}

// run sets a job's speed to the lower of what SMs and memory allow.
func (j *job) run(now time.Duration, sms, memory float64) {
	// 0/0 is no bound: the job wants nothing of what it may not have.
	j.speed = math.Inf(1)
	if j.Work > 0 {
		j.speed = sms
	}
	if j.Bytes > 0 {
		j.speed = min(j.speed, memory)
	}
	// What rounding left of it must not cost a nanosecond, which may be a whole
	// round of turns.
	j.end = now + time.Duration(math.Ceil(max(0, j.left/j.speed*1e9-1e-3)))
}

// A level is what one job may have of each resource, and what all use then.
type level struct {
	// sms is a share of what a job asks for, memory bytes/s for each SM that it
	// asks for; infinite where nobody is limited.
	sms, memory float64
	bytes       float64 // bytes/s that all move
	slope       float64 // change of bytes with memory, at least 0
}

// levels finds both levels. With the memory's level the SMs' level follows
// (fill), and the traffic grows with it: SMs go from jobs of few bytes per
// SM-second to jobs of more. It grows in straight pieces, so that Newton's
// method ends on the piece with the answer; the bracket keeps it from cycling.
func (d *Device) levels(claims []claim) level {
	most := d.cfg.Bandwidth
	l := fill(claims, d.cfg.SMs, math.Inf(1))
	if l.bytes <= most {
		return l
	}
	var asked, least float64 = 0, math.Inf(1)
	for _, c := range claims {
		asked, least = asked+c.most, min(least, c.most)
	}
	low, high := most/asked, most/least
	memory := low
	for range 60 {
		l = fill(claims, d.cfg.SMs, memory)
		switch miss := most - l.bytes; {
		case math.Abs(miss) <= 1e-12*most || high-low <= 1e-15*most:
			return l
		case miss > 0:
			low = memory
		default:
			high = memory
		}
		memory += (most - l.bytes) / l.slope // no number if the slope is 0
		if !(memory > low && memory < high) {
			memory = (low + high) / 2
		}
	}
	return l
}

// fill finds the level of the SMs for a level of the memory. It sorts claims by
// what they can keep busy, as a share of what they ask for.
func fill(claims []claim, sms, memory float64) level {
	for i := range claims {
		c := &claims[i]
		switch c.bound = c.most; {
		case c.work == 0:
			c.bound = 0
		case c.job.Bytes > 0:
			c.bound = c.most * min(1, memory*(c.work/c.job.Bytes))
		}
		// Insertion: few claims, in nearly the same order at every call.
		for k := i; k > 0 && claims[k].bound/claims[k].most < claims[k-1].bound/claims[k-1].most; k-- {
			claims[k], claims[k-1] = claims[k-1], claims[k]
		}
	}
	l := level{sms: math.Inf(1), memory: memory}
	var asked float64 // by claims[i:]
	for _, c := range claims {
		asked += c.most
	}
	var given float64 // SMs that one more byte/s of level takes from the rest
	for i := range claims {
		c := &claims[i]
		if part := sms / asked; c.bound > part*c.most {
			l.sms = part
			for _, c := range claims[i:] {
				l.bytes += part * c.most * (c.job.Bytes / c.work)
				l.slope -= given / asked * c.most * (c.job.Bytes / c.work)
			}
			break
		}
		sms -= c.bound
		asked -= c.most
		switch {
		case c.job.Bytes == 0:
		case c.bound < c.most: // limited by the memory
			l.bytes += c.most * memory
			l.slope += c.most
			given += c.most * (c.work / c.job.Bytes)
		default:
			l.bytes += c.bound * (c.job.Bytes / c.work)
		}
	}
	return l
}
