package model

import (
	"container/heap"
	"fmt"
	"slices"
	"time"
)

// A World is devices and what runs on them, at one time. The zero World is
// empty and stands at time 0.
type World struct {
	now     time.Duration
	devices []*Device
	owners  map[*Device]map[JobID]func()
	timers  timers
	seq     int64
}

// Now is the time up to which the World was advanced. Within a callback it is
// the moment of what happened.
func (w *World) Now() time.Duration { return w.now }

// AddDevice makes a device in the World. It is driven by the World alone.
func (w *World) AddDevice(cfg DeviceConfig) *Device {
	d := NewDevice(cfg)
	d.now = w.now
	w.devices = append(w.devices, d)
	if w.owners == nil {
		w.owners = make(map[*Device]map[JobID]func())
	}
	w.owners[d] = make(map[JobID]func())
	return d
}

// RemoveDevice takes a device out, whose processes must have been removed.
func (w *World) RemoveDevice(d *Device) {
	if d.Processes() > 0 {
		panic(fmt.Sprintf("model: a device with %d processes was removed", d.Processes()))
	}
	w.devices = slices.DeleteFunc(w.devices, func(o *Device) bool { return o == d })
	delete(w.owners, d)
}

// At calls f when the World has come to at, which must not be past. What is
// due at one moment is called in the order of the calls to At.
func (w *World) At(at time.Duration, f func()) {
	if at < w.now {
		panic(fmt.Sprintf("model: timer for %v, already at %v", at, w.now))
	}
	w.seq++
	heap.Push(&w.timers, timer{at, w.seq, f})
}

// Submit gives a process a job now and calls f when it has completed.
func (w *World) Submit(d *Device, p ProcessID, j Job, f func()) {
	w.owners[d][d.Submit(w.now, p, j)] = f
}

// NextEvent is the moment of the next event; false if nothing will ever happen
// by itself.
func (w *World) NextEvent() (at time.Duration, ok bool) {
	if len(w.timers) > 0 {
		at, ok = w.timers[0].at, true
	}
	for _, d := range w.devices {
		if t, has := d.NextEvent(); has && (!ok || t < at) {
			at, ok = t, true
		}
	}
	return at, ok
}

// Advance lets everything happen up to and with to, in order of time, and
// calls the callbacks. A to that is past does nothing.
func (w *World) Advance(to time.Duration) {
	for at, ok := w.NextEvent(); ok && at <= to; at, ok = w.NextEvent() {
		w.now = at
		for _, d := range slices.Clone(w.devices) {
			for _, c := range d.Advance(at) {
				f := w.owners[d][c.Job]
				delete(w.owners[d], c.Job)
				if f != nil {
					f()
				}
			}
		}
		for len(w.timers) > 0 && w.timers[0].at == at {
			heap.Pop(&w.timers).(timer).f()
		}
	}
	w.now = max(w.now, to)
}

type timer struct {
	at  time.Duration
	seq int64
	f   func()
}

type timers []timer

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	return t[i].at < t[j].at || t[i].at == t[j].at && t[i].seq < t[j].seq
}
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)   { *t = append(*t, x.(timer)) }
func (t *timers) Pop() any {
	old := *t
	last := old[len(old)-1]
	*t = old[:len(old)-1]
	return last
}
