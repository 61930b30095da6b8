package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/results"
)

// floorName is the row of what the machine itself does to a thread that only
// sleeps: no client can do better for long.
const floorName = "(a sleeping thread)"

// floorArg makes the program that thread.
const floorArg = "-sleep"

// sleepOn sleeps to each moment of an even grid (clock_nanosleep, absolute, timer
// slack 1 ns) and tells how late it woke up, as JSON. It sends nothing.
func sleepOn(args []string, out io.Writer) error {
	if len(args) != 2 {
		return fmt.Errorf("%s takes a rate and a number of seconds", floorArg)
	}
	rate, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	now := func() int64 {
		var t unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // fails for an unknown clock only
		return t.Nano()
	}
	late := make([]time.Duration, rate*seconds)
	start := now() + int64(time.Millisecond)
	for i := range late {
		due := start + int64(i)*int64(time.Second)/int64(rate)
		t := unix.NsecToTimespec(due)
		for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &t, nil) == unix.EINTR {
		}
		late[i] = time.Duration(now() - due)
	}
	slices.Sort(late)
	n := len(late)
	return json.NewEncoder(out).Encode(results.RateLateness{
		Rate: float64(rate), Achieved: float64(rate), N: int64(n), P50: late[n/2], P99: late[n*99/100], Max: late[n-1],
	})
}

// floor lets such a thread sleep on the clients' processor, beside no server.
func (b *bench) floor(ctx context.Context, g group) (r reading) {
	exe, err := os.Executable()
	if err != nil {
		return reading{fault: err.Error()}
	}
	used, out, err := b.exec(ctx, g, exe, []string{floorArg, strconv.Itoa(g.rate), strconv.Itoa(int(g.length.Seconds()))})
	if err == nil {
		err = json.Unmarshal([]byte(out), &r.late)
	}
	if err != nil {
		return reading{fault: err.Error()}
	}
	r.perSecond, r.cpu, r.peak = r.late.Achieved, used.cpu/float64(r.late.N), used.peak
	return r
}
