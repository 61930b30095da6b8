package pace

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/evabench/evabench/results"
)

// timed is a loop on package time. Its connections are all adopted.
type timed struct {
	core
	woken chan struct{}
	start results.Offset
	ran   bool
	ended bool
}

// NewTimed makes a loop on package time and channels, for tests in the virtual
// time of testing/synctest: it behaves as the one of [New], but is as late as
// package time is, up to a millisecond in real time, and timers that are not sharp
// go a nanosecond after their moment.
func NewTimed(origin results.Origin) Loop {
	l := &timed{woken: make(chan struct{}, 1)}
	l.origin, l.clock.origin = origin, origin
	l.adopted = make(map[*adopted]struct{})
	l.wake = func() {
		select {
		case l.woken <- struct{}{}:
		default:
		}
	}
	return l
}

func (l *timed) Connect(to netip.AddrPort, h Handler) Conn {
	return l.Adopt(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", to.String())
		if err != nil {
			return nil, err
		}
		return Stamped(c), nil
	}, h)
}

func (l *timed) Run() {
	l.start, l.ran = l.Now(), true
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !l.quit {
		began := l.Now()
		l.turn(began)
		l.usage.Busy += l.Now().Sub(began)
		if !l.quit {
			l.wait(timer)
		}
	}
	l.runPosted(true)
	l.usage.Ran = l.Now().Sub(l.start)
	l.ended = true
}

// patience is how much later than its moment a timer that is not sharp goes.
//
// Note: virtual time moves on only when all goroutines of the bubble wait. So by
// then all that comes in at the timer's moment has been posted. Nothing shorter
// does: calls of runtime.Gosched, of any number, and functions on package time
// after no time at all both ran ahead of others now and then.
const patience = time.Nanosecond

func (l *timed) turn(now results.Offset) {
	l.fireSharp()
	l.runPosted(false)
	l.firePlain(now.Add(-patience))
}

func (l *timed) wait(timer *time.Timer) {
	l.asleep.Store(true)
	defer l.asleep.Store(false)
	if l.posted.Load() {
		return
	}
	next := l.sharp.next()
	if plain := l.plain.next(); plain < next {
		next = min(next, plain.Add(patience))
	}
	if next == never {
		<-l.woken
		return
	}
	left := next.Sub(l.Now())
	if left <= 0 {
		return
	}
	timer.Reset(left)
	select {
	case <-l.woken:
	case <-timer.C:
	}
}

func (l *timed) Usage() Usage {
	if l.ran && !l.ended {
		l.usage.Ran = l.Now().Sub(l.start)
	}
	return l.usage
}

func (l *timed) Close() error {
	l.drop()
	l.closeAdopted()
	return nil
}
