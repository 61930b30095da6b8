package pace

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/results"
)

// epoll waits for sockets, to the nanosecond where the kernel can (5.11).
type epoll struct {
	fd     int
	coarse bool // no epoll_pwait2: whole milliseconds, rounded down
	events [256]unix.EpollEvent
	ts     unix.Timespec
}

// longest bounds one wait. It bounds how long the garbage collector waits for
// the loop where signals to threads are switched off (asyncpreemptoff).
const longest = 10 * time.Millisecond

// wait gives the sockets that are ready, after at most left. It returns early
// when a signal comes.
//
// Note: these are raw system calls, which keep the thread's P: coming back, the
// loop never waits for one. A stop of the world still gets through, since the
// runtime's signal ends the wait with EINTR (man 7 signal: epoll_wait is never
// restarted) and the runtime sends it again if it came just before the call.
func (e *epoll) wait(left time.Duration) ([]unix.EpollEvent, error) {
	left = max(0, min(left, longest))
	var n uintptr
	var errno syscall.Errno
	if !e.coarse {
		e.ts = unix.NsecToTimespec(int64(left))
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(e.fd), uintptr(unsafe.Pointer(&e.events[0])), uintptr(len(e.events)), uintptr(unsafe.Pointer(&e.ts)), 0, 0)
		e.coarse = errno == unix.ENOSYS || errno == unix.EPERM // of a sandbox that does not know it
	}
	if e.coarse {
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.fd), uintptr(unsafe.Pointer(&e.events[0])), uintptr(len(e.events)), uintptr(left/time.Millisecond), 0, 0)
	}
	switch errno {
	case 0:
		return e.events[:n], nil
	case unix.EINTR:
		return nil, nil
	}
	return nil, os.NewSyscallError("epoll_pwait2", errno)
}

// mostNice is the nice value that is asked for.
const mostNice = -20

// threads counts the loops that run. It is global as what it stands for is, the
// runtime's number of Ps.
var threads struct {
	sync.Mutex
	running int
	before  int  // GOMAXPROCS without loops
	byRule  bool // it was the runtime's default
}

// enter takes the calling thread for a loop: precise timers, the highest nice
// value where we may have it, and a P more for all others, since a loop keeps its
// own also while it waits. The function given back undoes it.
//
// Note: the nice value is that of this thread alone. Without it the garbage
// collector and the writers, on the same core, take turns of milliseconds with a
// loop that is busy; root, who runs sweeps, may set it, others need CAP_SYS_NICE.
func enter() (leave func()) {
	runtime.LockOSThread()
	thread := unix.Gettid()
	before, err := unix.Getpriority(unix.PRIO_PROCESS, thread)
	raised := err == nil && unix.Setpriority(unix.PRIO_PROCESS, thread, mostNice) == nil
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	precise := err == nil && unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) == nil
	addP()
	return func() {
		dropP()
		if raised {
			// The system call gives 20 - nice (man 2 getpriority).
			unix.Setpriority(unix.PRIO_PROCESS, thread, 20-before)
		}
		if precise {
			unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0)
		}
		runtime.UnlockOSThread()
	}
}

func addP() {
	threads.Lock()
	defer threads.Unlock()
	if threads.running == 0 {
		threads.before = runtime.GOMAXPROCS(0)
		runtime.SetDefaultGOMAXPROCS()
		threads.byRule = runtime.GOMAXPROCS(0) == threads.before
	}
	threads.running++
	runtime.GOMAXPROCS(threads.before + threads.running)
}

func dropP() {
	threads.Lock()
	defer threads.Unlock()
	threads.running--
	switch {
	case threads.running > 0 || !threads.byRule:
		runtime.GOMAXPROCS(threads.before + threads.running)
	default:
		runtime.SetDefaultGOMAXPROCS() // also follows the cgroup's limit again
	}
}

// A spinner says how long before a sharp timer a loop stops sleeping.
type spinner struct {
	late   time.Duration // how late sleeps end, a moving average
	credit time.Duration // what may be spent
	share  time.Duration // spin time is at most 1/share of all
	last   results.Offset
}

const (
	mostSpin   = 50 * time.Microsecond
	leastSpin  = 2 * time.Microsecond
	mostCredit = time.Millisecond
)

// window is how long before the next sharp timer to wake up.
func (s *spinner) window(now results.Offset) time.Duration {
	s.credit = min(mostCredit, s.credit+now.Sub(s.last)/s.share)
	s.last = now
	return max(0, min(mostSpin, leastSpin+2*s.late, s.credit))
}

// slept takes note that a sleep was to end and ended.
func (s *spinner) slept(until, now results.Offset) {
	late := min(max(0, now.Sub(until)), mostSpin)
	s.late += (late - s.late) / 8
}

// shareOf is the part of the time for spinning, as its inverse: a third, or a
// fifth if the process has one core only.
func shareOf() time.Duration {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) == nil && set.Count() == 1 {
		return 5
	}
	return 3
}
