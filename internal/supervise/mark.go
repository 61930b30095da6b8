package supervise

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// markEnv is the variable by which what a supervisor started is known, for when
// the supervisor is dead and its children another's: MARK/PID/BEGIN, the last
// two the supervisor's own. What has cleared its environment, or made it
// unreadable for us, is not found by it.
const markEnv = "EVABENCH_SUPERVISED"

// markEnd is what a supervisor, which calls it, adds to its mark.
func markEnd() string {
	self, _ := readProc(os.Getpid()) // without /proc nothing is found either
	return fmt.Sprintf("/%d/%s", self.pid, self.begin)
}

// markOf is the mark of a process, and its supervisor; false if it has none.
func markOf(pid int) (mark string, supervisor proc, ok bool) {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return "", proc{}, false
	}
	for v := range strings.SplitSeq(string(env), "\x00") {
		value, found := strings.CutPrefix(v, markEnv+"=")
		rest, begin, cut := cutLast(value)
		mark, number, cut2 := cutLast(rest)
		n, err := strconv.Atoi(number)
		if found && cut && cut2 && err == nil {
			return mark, proc{pid: n, begin: begin}, true
		}
	}
	return "", proc{}, false
}

// cutLast cuts at the last slash.
func cutLast(s string) (before, after string, ok bool) {
	at := strings.LastIndexByte(s, '/')
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+1:], true
}

// killMarked kills every process with that mark, again until none is left.
func killMarked(mark string) {
	killEach(func(_ int, m string, _ proc) bool { return m == mark })
}

// EndOrphans kills what supervisors started that are dead themselves, as after a
// kill -9 of evabench and its supervisors together, and tells each process as
// "name (process 123)". What runs under a living supervisor, and what another
// container started, is not touched.
func EndOrphans() []string {
	ours, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil
	}
	defer removeEmptyCgroups()
	return killEach(func(pid int, _ string, supervisor proc) bool {
		// In another namespace the supervisor's number means another process.
		if theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err != nil || theirs != ours {
			return false
		}
		return supervisor.ended()
	})
}

// killEach kills the marked processes that are wanted, again until there is none,
// and tells them.
func killEach(want func(pid int, mark string, supervisor proc) bool) (killed []string) {
	seen := map[int]bool{}
	for range 100 {
		found := false
		for _, pid := range pids() {
			p, ok := readProc(pid)
			if !ok || p.zombie || pid == os.Getpid() {
				continue
			}
			mark, supervisor, ok := markOf(pid)
			if !ok || !want(pid, mark, supervisor) {
				continue
			}
			found = true
			if !seen[pid] {
				seen[pid] = true
				name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)) // it may have ended
				killed = append(killed, fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(name)), pid))
			}
			p.signal(unix.SIGKILL)
		}
		if !found {
			break
		}
	}
	return killed
}
