package clocks

import (
	"context"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/internal/leaks"
)

// Limits in pairs: just below nothing is told, just above it is.
func TestBetween(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name                      string
		running, boot, wall, read time.Duration // since the reading before
		want                      []Mishap
	}{
		{"on time", 50 * ms, 50 * ms, 50 * ms, 0, nil},
		{"late", 550 * ms, 550 * ms, 550 * ms, 0, nil},
		{"too late", 551 * ms, 551 * ms, 551 * ms, 0, []Mishap{{Stopped, 0, 551 * ms, 501 * ms}}},
		{"a doze", 50 * ms, 70 * ms, 70 * ms, 0, nil},
		{"asleep", 50 * ms, 71 * ms, 71 * ms, 0, []Mishap{{Suspended, 0, 50 * ms, 21 * ms}}},
		{"asleep for an hour", 60 * ms, 60*ms + time.Hour, 60*ms + time.Hour, 0, []Mishap{{Suspended, 0, 60 * ms, time.Hour}}},
		{"slewed", 50 * ms, 50 * ms, 55 * ms, 0, nil},
		{"set forwards", 50 * ms, 50 * ms, 50*ms + time.Hour, 0, []Mishap{{Set, 0, 50 * ms, time.Hour}}},
		{"set back", 50 * ms, 50 * ms, 44 * ms, 0, []Mishap{{Set, 0, 50 * ms, -6 * ms}}},
		{"read far apart", 50 * ms, 80 * ms, 40 * ms, 30 * ms, nil},
		{"stopped, and set meanwhile", 2 * time.Second, 2 * time.Second, 3 * time.Second, 0,
			[]Mishap{{Stopped, 0, 2 * time.Second, 1950 * ms}, {Set, 0, 2 * time.Second, time.Second}}},
	} {
		got := Between(Reading{}, Reading{Running: c.running, Boot: c.boot, Wall: c.wall, Apart: c.read})
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var ahead atomic.Int64 // how far the time of day was set
		read := func() Reading {
			r := time.Since(began)
			return Reading{Running: r, Boot: r, Wall: r + time.Duration(ahead.Load())}
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := NewWatch(read)
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Run(ctx)
		}()
		synctest.Wait()
		time.Sleep(time.Minute + time.Millisecond) // after the reading of that minute
		ahead.Store(int64(time.Hour))
		time.Sleep(10 * time.Millisecond)
		cancel() // before the next reading
		<-done
		if got := w.Take(time.Minute - time.Nanosecond); len(got) > 0 {
			t.Errorf("before it happened: %+v", got)
		}
		got := w.Take(time.Minute)
		want := []Mishap{{Set, time.Minute, time.Minute + 11*time.Millisecond, time.Hour}}
		if !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if got := w.Take(time.Hour); len(got) > 0 {
			t.Errorf("told twice: %+v", got)
		}
	})
}

// The clocks of this machine: they go on, together, and a process that is stopped shows.
func TestStoppedProcess(t *testing.T) {
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "CLOCKS_CHILD=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	if _, err := out.Read(one); err != nil { // it watches
		t.Fatal(err)
	}
	before := Read()
	if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(700 * time.Millisecond) // the test is of this span
	if err := child.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	stopped := Read().Running - before.Running
	if _, err := out.Read(one); err != nil || one[0] != Stopped[0] {
		t.Errorf("stopped for %v: told %q, %v", stopped, one, err)
	}
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
}

func TestMain(m *testing.M) {
	if os.Getenv("CLOCKS_CHILD") == "" {
		leaks.Main(m)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	reads := 0
	read := func() Reading {
		r := Read()
		if reads++; reads == 2 {
			os.Stdout.WriteString(".") // a reading lies before what comes
		}
		return r
	}
	w := NewWatch(read)
	go w.Run(ctx)
	for ctx.Err() == nil {
		time.Sleep(Every)
		for _, m := range w.Take(time.Hour * 1e6) {
			if m.What == Stopped {
				os.Stdout.WriteString(m.What[:1])
				cancel()
			}
		}
	}
	syscall.Exit(0)
}
