package model

import (
	"fmt"
	"time"
)

// settle brings what is left, and what was used, up to now.
func (d *Device) settle(now time.Duration) {
	span := d.since(now)
	d.now = now
	switch {
	case span == 0 || d.holder == nil:
	case d.switching:
		d.usage.Switching += span
		d.holder.switching += span
	case d.holder.active > 0:
		d.usage.Busy += span
		for _, p := range d.holder.procs {
			if p.first != nil {
				p.usage.Busy += span
				d.count(p, p.first, p.first.done(span))
			}
		}
	}
}

// since is the time from the latest change to now.
func (d *Device) since(now time.Duration) time.Duration {
	if now < d.now {
		panic(fmt.Sprintf("model: device asked for %v, already at %v", now, d.now))
	}
	return now - d.now
}

// done is the part of a job that is done within a span at its present speed.
func (j *job) done(span time.Duration) float64 { return min(j.left, j.speed*span.Seconds()) }

// count notes that a part of a process's job was done.
func (d *Device) count(p *process, j *job, part float64) {
	j.left -= part
	p.usage.SMSeconds += part * (j.Work / d.clock)
	p.usage.Bytes += part * j.Bytes
	d.usage.SMSeconds += part * (j.Work / d.clock)
	d.usage.Bytes += part * j.Bytes
}

// Usage is what was done up to now. To ask changes nothing. Now must not lie
// before an earlier call's time.
func (d *Device) Usage(now time.Duration) Usage {
	d.runTo(now)
	u, span := d.usage, d.since(now)
	switch {
	case d.holder == nil:
	case d.switching:
		u.Switching += span
	case d.holder.active > 0:
		u.Busy += span
		for _, p := range d.holder.procs {
			if p.first != nil && span > 0 {
				part := p.first.done(span)
				u.SMSeconds += part * (p.first.Work / d.clock)
				u.Bytes += part * p.first.Bytes
			}
		}
	}
	return u
}

// ProcessUsage is what one process did up to now, as Usage. The process must
// not have been removed.
func (d *Device) ProcessUsage(now time.Duration, id ProcessID) Usage {
	d.runTo(now)
	p, ok := d.procs[id]
	if !ok {
		panic(fmt.Sprintf("model: no process %d", id))
	}
	u, span := p.usage, d.since(now)
	u.Switching, u.Switches = p.context.switching, p.context.switches
	if p.context != d.holder {
		return u
	}
	switch {
	case d.switching:
		u.Switching += span
	case p.first != nil && span > 0:
		part := p.first.done(span)
		u.Busy += span
		u.SMSeconds += part * (p.first.Work / d.clock)
		u.Bytes += part * p.first.Bytes
	}
	return u
}
