package model

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// never is after every event.
const never = time.Duration(math.MaxInt64)

// A World is devices and what runs on them, at one time. The zero World is
// empty and stands at time 0. It belongs to one goroutine at a time, with all
// that was made in it.
type World struct {
	now     time.Duration
	devices []*Device
	timers  timers
	seq     int64
}

// Now is the time up to which the World was advanced. Within a callback it is
// the moment of what happened.
func (w *World) Now() time.Duration { return w.now }

// AddDevice makes a device in the World. It is driven by the World alone. Its
// Usage counts from now on.
func (w *World) AddDevice(cfg DeviceConfig) *Device {
	d := NewDevice(cfg)
	d.now = w.now
	w.devices = append(w.devices, d)
	return d
}

// RemoveDevice takes a device out, whose processes must have been removed.
func (w *World) RemoveDevice(d *Device) {
	if d.Processes() > 0 {
		panic(fmt.Sprintf("model: a device with %d processes was removed", d.Processes()))
	}
	w.devices = slices.DeleteFunc(w.devices, func(o *Device) bool { return o == d })
}

// At calls f when the World has come to at, which must not be past. What is
// due at one moment is called in the order of the calls to At, after what the
// devices have for that moment.
func (w *World) At(at time.Duration, f func()) {
	if at < w.now {
		panic(fmt.Sprintf("model: timer for %v, already at %v", at, w.now))
	}
	w.seq++
	w.timers.push(timer{at, w.seq, f})
}

// Submit gives a process a job now and calls f when it has completed.
func (w *World) Submit(d *Device, p ProcessID, j Job, f func()) {
	d.submit(w.now, p, j, f)
}

// NextEvent is the moment of the next event; false if nothing will ever happen
// by itself.
func (w *World) NextEvent() (at time.Duration, ok bool) {
	at, _, _ = w.first()
	return at, at != never
}

// first is the next event: its moment, its device (nil for a timer), and the
// moment of the next event of anything else. Of events at one moment devices
// come first, in the order in which they were made.
func (w *World) first() (at time.Duration, d *Device, second time.Duration) {
	at, second = never, never
	for _, o := range w.devices {
		switch t := o.event(); {
		case t < at:
			at, d, second = t, o, at
		case t < second:
			second = t
		}
	}
	if len(w.timers) > 0 {
		switch t := w.timers[0].at; {
		case t < at:
			at, d, second = t, nil, at
		case t < second:
			second = t
		}
	}
	return at, d, second
}

// Advance lets everything happen up to and with to, in order of time, and
// calls the callbacks. A to that is past does nothing.
func (w *World) Advance(to time.Duration) {
	for {
		at, d, second := w.first()
		if at > to || at == never {
			break
		}
		if d == nil {
			w.now = at
			w.timers.pop()()
			continue
		}
		// A device's turns concern nobody else: it runs alone to its next
		// completion, or to just before what others have.
		for d.done.len() == 0 && (d.at == at || d.at < second) && d.at <= to {
			d.change(d.at)
		}
		if d.done.len() > 0 {
			c := d.done.pop()
			w.now = c.At
			if c.f != nil {
				c.f()
			}
		}
	}
	w.now = max(w.now, to)
}

type timer struct {
	at  time.Duration
	seq int64
	f   func()
}

func (t timer) before(o timer) bool { return t.at < o.at || t.at == o.at && t.seq < o.seq }

// timers is a binary heap; container/heap would box each timer.
type timers []timer

func (t *timers) push(x timer) {
	h := append(*t, x)
	i := len(h) - 1
	for i > 0 && x.before(h[(i-1)/2]) {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = x
	*t = h
}

func (t *timers) pop() func() {
	h := *t
	f, last := h[0].f, len(h)-1
	x := h[last]
	h[last] = timer{}
	h = h[:last]
	for i := 0; last > 0; {
		child := 2*i + 1
		if child+1 < last && h[child+1].before(h[child]) {
			child++
		}
		if child >= last || x.before(h[child]) {
			h[i] = x
			break
		}
		h[i] = h[child]
		i = child
	}
	*t = h
	return f
}
