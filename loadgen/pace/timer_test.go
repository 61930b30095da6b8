package pace

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
)

// TestHeap holds the heap against a sorted slice, with timers added, moved and
// taken out.
func TestHeap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h heap
		timers := make([]Timer, 20)
		var model []*Timer
		order := func(a, b *Timer) int {
			if a.at != b.at {
				return int(a.at - b.at)
			}
			return int(a.seq) - int(b.seq)
		}
		for seq := range rapid.IntRange(1, 200).Draw(t, "steps") {
			tm := &timers[rapid.IntRange(0, len(timers)-1).Draw(t, "timer")]
			model = slices.DeleteFunc(model, func(m *Timer) bool { return m == tm })
			if rapid.Bool().Draw(t, "set") {
				h.set(tm, results.Offset(rapid.IntRange(0, 9).Draw(t, "at")), uint64(seq))
				model = append(model, tm)
			} else {
				h.remove(tm)
			}
			slices.SortFunc(model, order)
			if want := never; len(model) > 0 {
				want = model[0].at
				if h.next() != want || h.entries[0].t != model[0] {
					t.Fatalf("step %d: first at %d, want %d", seq, h.next(), want)
				}
			}
		}
		for _, want := range model {
			if got := h.entries[0].t; got != want {
				t.Fatalf("got timer at (%d, %d), want (%d, %d)", got.at, got.seq, want.at, want.seq)
			}
			h.remove(want)
		}
		if h.next() != never {
			t.Fatal("timers are left")
		}
	})
}

// A move is what a timer does to another when it goes.
type move struct {
	Timer int
	In    time.Duration // from now on; may be past
	Stop  bool
}

// A program is what each timer does, a step each time it goes.
type program struct {
	Sharp []bool
	Steps [][][]move // by timer, by time it went
	First []move
}

func drawProgram(t *rapid.T) program {
	n := rapid.IntRange(1, 6).Draw(t, "timers")
	moves := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) move {
		return move{
			Timer: rapid.IntRange(0, n-1).Draw(t, "timer"),
			In:    time.Duration(rapid.IntRange(-2, 5).Draw(t, "in")) * 10 * time.Microsecond,
			Stop:  rapid.IntRange(0, 4).Draw(t, "stop") == 0,
		}
	}), 0, 4)
	return program{
		Sharp: rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "sharp"),
		Steps: rapid.SliceOfN(rapid.SliceOfN(moves, 0, 4), n, n).Draw(t, "steps"),
		First: moves.Draw(t, "first"),
	}
}

// A timerRun is a program on a loop, held against the laws of timers.
type timerRun struct {
	l      Loop
	p      program
	exact  bool // virtual time: timers go at their moment and not after
	timers []Timer
	armed  map[int]setting
	went   []int
	seq    int
	fault  error
}

type setting struct {
	at  results.Offset
	seq int
	due results.Offset // when it goes in virtual time
}

func (r *timerRun) run() error {
	r.timers, r.armed, r.went = make([]Timer, len(r.p.Sharp)), map[int]setting{}, make([]int, len(r.p.Sharp))
	for i := range r.timers {
		r.timers[i] = Timer{Sharp: r.p.Sharp[i], F: func() { r.fired(i) }}
	}
	// The last sharp and plain timers come after all others, so that what was lost
	// shows.
	end := Timer{F: r.l.Quit}
	r.apply(r.p.First)
	r.l.Set(&end, r.l.Now().Add(5*time.Millisecond))
	r.l.Run()
	if len(r.armed) > 0 && r.fault == nil && r.exact {
		r.fault = fmt.Errorf("%d timers never went", len(r.armed))
	}
	return r.fault
}

func (r *timerRun) apply(moves []move) {
	for _, m := range moves {
		if m.Stop {
			r.l.Stop(&r.timers[m.Timer])
			delete(r.armed, m.Timer)
			continue
		}
		now := r.l.Now()
		at := now.Add(m.In)
		r.seq++
		due := max(at, now)
		if !r.p.Sharp[m.Timer] {
			due = max(at.Add(patience), now)
		}
		r.armed[m.Timer] = setting{at, r.seq, due}
		r.l.Set(&r.timers[m.Timer], at)
	}
}

func (r *timerRun) fired(i int) {
	now := r.l.Now()
	s, ok := r.armed[i]
	switch {
	case r.fault != nil:
	case !ok:
		r.fault = fmt.Errorf("timer %d went without being set", i)
	case now < s.at:
		r.fault = fmt.Errorf("timer %d went at %d, before %d", i, now, s.at)
	case r.exact && now != s.due:
		r.fault = fmt.Errorf("timer %d went at %d, want %d", i, now, s.due)
	}
	for j, o := range r.armed {
		if r.fault == nil && r.p.Sharp[i] == r.p.Sharp[j] && (o.at < s.at || o.at == s.at && o.seq < s.seq) {
			r.fault = fmt.Errorf("timer %d (%+v) went before %d (%+v)", i, s, j, o)
		}
	}
	delete(r.armed, i)
	if r.went[i]++; r.went[i] <= len(r.p.Steps[i]) {
		r.apply(r.p.Steps[i][r.went[i]-1])
	}
}

// TestTimers runs random programs of timers, which set and stop each other, on
// the socket loop.
func TestTimers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLoop(t)
		defer l.Close()
		r := timerRun{l: l, p: drawProgram(rt)}
		if err := r.run(); err != nil {
			rt.Fatal(err)
		}
	})
}

// TestTimersCoarse runs them on a kernel that waits in milliseconds.
func TestTimersCoarse(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLoop(t)
		defer l.Close()
		l.(*socketLoop).epoll.coarse = true
		r := timerRun{l: l, p: drawProgram(rt)}
		if err := r.run(); err != nil {
			rt.Fatal(err)
		}
	})
}

// TestTimersVirtual does it on the timed loop, where each goes at its moment to
// the nanosecond.
func TestTimersVirtual(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := timerRun{p: drawProgram(rt), exact: true}
		var err error
		synctest.Test(t, func(*testing.T) {
			r.l = NewTimed(results.NewOrigin(time.Now()))
			defer r.l.Close()
			err = r.run()
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// TestSharpFirst sets plain timers before sharp ones of the same moment.
func TestSharpFirst(t *testing.T) {
	both(t, func(t *testing.T, l Loop) {
		var order []string
		at := l.Now().Add(time.Millisecond)
		plain := Timer{F: func() { order = append(order, "plain"); l.Quit() }}
		sharp := Timer{Sharp: true, F: func() { order = append(order, "sharp") }}
		l.Set(&plain, at)
		l.Set(&sharp, at)
		l.Run()
		if fmt.Sprint(order) != "[sharp plain]" {
			t.Errorf("order %v, want [sharp plain]", order)
		}
	})
}
