package loadgen

import (
	"runtime/debug"
	"syscall"
	"time"

	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// A clientMeter tells what the load generator used during the window.
type clientMeter struct {
	begin      pace.Timer
	from       clientReading
	used       *results.Client
	off        bool // the loop is not ours: its time may be virtual
	has, ended bool
}

// A clientReading is what the process had used by a moment.
type clientReading struct {
	at  results.Offset
	cpu time.Duration
	gc  debug.GCStats
	use pace.Usage
}

// watch reads at the window's start.
func (m *clientMeter) watch(r *run) {
	if m.off {
		return
	}
	m.begin.F = func() { m.from, m.has = readClient(r.loop), true }
	r.loop.Set(&m.begin, r.windowStart)
}

// windowOver reads at the window's end, or when the step was stopped.
func (m *clientMeter) windowOver(r *run) {
	if !m.off {
		r.loop.Stop(&m.begin)
	}
	if !m.has || m.ended {
		return
	}
	m.ended = true
	to := readClient(r.loop)
	m.used = &results.Client{
		Wall: to.at.Sub(m.from.at), CPU: to.cpu - m.from.cpu, Loop: to.use.Busy - m.from.use.Busy,
		GCs: to.gc.NumGC - m.from.gc.NumGC, GCPause: to.gc.PauseTotal - m.from.gc.PauseTotal,
		Stamped: to.use.Stamped - m.from.use.Stamped, Unstamped: to.use.Unstamped - m.from.use.Unstamped,
	}
}

func (m *clientMeter) result() *results.Client { return m.used }

func readClient(loop pace.Loop) clientReading {
	c := clientReading{at: loop.Now(), use: loop.Usage()}
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		c.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	debug.ReadGCStats(&c.gc)
	return c
}
