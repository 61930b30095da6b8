package model

import (
	"fmt"
	"time"
)

// A Host is the CPU cores of a server. Work that finds no free core waits,
// first come first served; a piece of work has one core to its end.
// Simplification: there is no turn-taking between threads, and all cores are
// alike.
type Host struct {
	world   *World
	cores   int
	idle    []*core
	waiting fifo[hostWork]

	busy  float64 // core-seconds, as of since
	since time.Duration
}

type hostWork struct {
	work time.Duration
	f    func()
}

type core struct {
	f   func()
	end func() // of the piece that it has; made once
}

// NewHost makes the cores of a server, at least one.
func NewHost(w *World, cores int) *Host {
	if cores < 1 {
		panic(fmt.Sprintf("model: no host has %d cores", cores))
	}
	h := &Host{world: w, cores: cores, since: w.Now()}
	for range cores {
		c := &core{}
		c.end = func() { h.finish(c) }
		h.idle = append(h.idle, c)
	}
	return h
}

// Run does work, at least 0, on one core and calls f when it is done.
func (h *Host) Run(work time.Duration, f func()) {
	if work < 0 {
		panic(fmt.Sprintf("model: work of %v", work))
	}
	h.waiting.push(hostWork{work, f})
	h.start()
}

// Cores is the number of cores.
func (h *Host) Cores() int { return h.cores }

// Busy is the time that cores worked since the host was made, in core-seconds.
// Now must not lie before the World's latest event.
func (h *Host) Busy(now time.Duration) float64 {
	return h.busy + float64(h.cores-len(h.idle))*(now-h.since).Seconds()
}

// Running is the number of cores that work.
func (h *Host) Running() int { return h.cores - len(h.idle) }

// Waiting is the number of pieces of work that wait for a core.
func (h *Host) Waiting() int { return h.waiting.len() }

// start gives idle cores to what waits.
func (h *Host) start() {
	for len(h.idle) > 0 && h.waiting.len() > 0 {
		h.settle()
		x := h.waiting.pop()
		c := h.idle[len(h.idle)-1]
		h.idle = h.idle[:len(h.idle)-1]
		c.f = x.f
		h.world.At(h.world.Now()+x.work, c.end)
	}
}

func (h *Host) finish(c *core) {
	h.settle()
	f := c.f
	c.f = nil
	h.idle = append(h.idle, c)
	h.start() // what waited goes before what f asks for
	f()
}

func (h *Host) settle() {
	h.busy, h.since = h.Busy(h.world.Now()), h.world.Now()
}
