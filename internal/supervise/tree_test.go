package supervise

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestTreeWithoutPidfds ends a family where the kernel, or what confines us, gives
// no pidfds: before Linux 5.3, and under some seccomp filters.
func TestTreeWithoutPidfds(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM} {
		h := newHouse(t)
		o := order(t, time.Minute, "family", h.socket, "deaf")
		o.Mark = "no/such/folder" // so no cgroup
		started := make(chan func() error)
		go func() {
			// The supervisor is forked from this thread, which ends with its filter.
			runtime.LockOSThread()
			defer close(started)
			refusePidfds(t, errno)
			c, events := supervisor(t, o)
			started <- func() error {
				if _, err := events.write.WriteString(askKill + "\n"); err != nil {
					return err
				}
				over := make(chan error, 1)
				go func() { over <- c.Wait() }()
				select {
				case err := <-over:
					return err
				case <-time.After(within):
					_ = c.Process.Kill()
					t.Error("the supervisor goes on trying")
					return <-over
				}
			}
		}()
		kill := <-started
		if kill == nil {
			t.FailNow()
		}
		all := h.await(4)
		if err := kill(); err != nil {
			t.Error(err)
		}
		gone(t, all, 0)
	}
}

// refusePidfds makes pidfd_open fail for this thread and all that it starts.
func refusePidfds(t *testing.T, errno unix.Errno) {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PIDFD_OPEN, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Error(err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		t.Error(err)
	}
}
