package sim

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A kernelAlarm is a timer of the kernel that the runtime polls as it does
// sockets: late by some ten microseconds, where package time waits in whole
// milliseconds on Linux (golang.org/issue/44343), which at 60 times the
// clock's speed would be 60 ms of every answer.
type kernelAlarm struct {
	fd   int
	file *os.File // of fd
}

// newAlarm gives the most punctual alarm of this system.
func newAlarm() (alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	return kernelAlarm{fd, os.NewFile(uintptr(fd), "timer")}, nil
}

func (a kernelAlarm) set(after time.Duration) {
	// A span of 0 would switch the timer off.
	value := unix.ItimerSpec{Value: unix.NsecToTimespec(max(after, 1).Nanoseconds())}
	if err := unix.TimerfdSettime(a.fd, 0, &value, nil); err != nil {
		panic(fmt.Sprintf("sim: set a timer: %v", err)) // our own descriptor and a good value
	}
}

func (a kernelAlarm) wait(ctx context.Context) bool {
	defer context.AfterFunc(ctx, func() { a.file.SetReadDeadline(time.Now()) })()
	var times [8]byte
	_, err := a.file.Read(times[:])
	return err == nil && ctx.Err() == nil
}

func (a kernelAlarm) close() { a.file.Close() }
