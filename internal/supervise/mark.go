package supervise

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// markEnv is the variable by which what a supervisor started is known, for when
// the supervisor or its evabench is dead: see [mark]. What has cleared its
// environment, or made it unreadable for us, is not found by it.
const markEnv = "EVABENCH_SUPERVISED"

// A mark is a name and who stands behind it, as text NAME/PID/BEGIN/PID/BEGIN.
type mark struct {
	name       string
	owner      proc // the evabench that gave the order
	supervisor proc
}

// ourselves is how we stand in a mark. Without /proc nothing is found either.
func ourselves() string {
	p, _ := readProc(os.Getpid())
	return fmt.Sprintf("/%d/%s", p.pid, p.begin)
}

// markOf is the mark of a process; false if it has none.
func markOf(pid int) (mark, bool) {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return mark{}, false
	}
	for v := range strings.SplitSeq(string(env), "\x00") {
		if value, found := strings.CutPrefix(v, markEnv+"="); found {
			rest, supervisor, ok := cutProc(value)
			name, owner, ok2 := cutProc(rest)
			if ok && ok2 {
				return mark{name, owner, supervisor}, true
			}
		}
	}
	return mark{}, false
}

// cutProc cuts the last PID/BEGIN.
func cutProc(text string) (before string, p proc, ok bool) {
	rest, begin, ok := cutLast(text)
	before, number, ok2 := cutLast(rest)
	pid, err := strconv.Atoi(number)
	return before, proc{pid: pid, begin: begin}, ok && ok2 && err == nil
}

// cutLast cuts at the last slash.
func cutLast(s string) (before, after string, ok bool) {
	at := strings.LastIndexByte(s, '/')
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+1:], true
}

// killMarked kills every process with a mark of that name, again until none is left.
func killMarked(name string) {
	killEach(func(_ proc, m mark) bool { return m.name == name })
}

// Ending waits until the supervisors whose evabench has ended, as by kill -9, have
// ended what they run, but no longer than within. It first tells what that is, if
// there is any, each as "name (process 123)".
func Ending(ctx context.Context, within time.Duration, tell func([]string)) error {
	var names []string
	alive := map[proc]bool{} // supervisors
	for p, m := range marked() {
		if m.owner.ended() && !m.supervisor.ended() && isHere(p.pid) {
			alive[m.supervisor] = true
			names = append(names, p.name())
		}
	}
	if len(alive) == 0 {
		return nil
	}
	tell(names)
	limit, again := time.NewTimer(within), time.NewTicker(killEvery)
	defer limit.Stop()
	defer again.Stop()
	for len(alive) > 0 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limit.C:
			return nil
		case <-again.C:
			maps.DeleteFunc(alive, func(s proc, _ bool) bool { return s.ended() })
		}
	}
	return nil
}

// EndOrphans kills what supervisors started that are dead themselves, or whose
// evabench is, and tells each process as "name (process 123)". What another
// container started is not touched.
func EndOrphans() []string {
	defer removeEmptyCgroups()
	return killEach(func(p proc, m mark) bool {
		return (m.supervisor.ended() || m.owner.ended()) && isHere(p.pid)
	})
}

// isHere reports whether a process is in our namespace: in another the numbers of a
// mark mean other processes.
func isHere(pid int) bool {
	ours, err := os.Readlink("/proc/self/ns/pid")
	theirs, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	return err == nil && err2 == nil && ours == theirs
}

// marked are the living processes with a mark, but for us.
func marked() iter.Seq2[proc, mark] {
	return func(yield func(proc, mark) bool) {
		for _, pid := range pids() {
			p, ok := readProc(pid)
			if !ok || p.zombie || pid == os.Getpid() {
				continue
			}
			if m, ok := markOf(pid); ok && !yield(p, m) {
				return
			}
		}
	}
}

// killEach kills the marked processes that are wanted, again until there is none,
// and tells them.
func killEach(want func(proc, mark) bool) (killed []string) {
	seen := map[int]bool{}
	for range 100 {
		found := false
		for p, m := range marked() {
			if !want(p, m) {
				continue
			}
			found = true
			if !seen[p.pid] {
				seen[p.pid] = true
				killed = append(killed, p.name())
			}
			p.signal(unix.SIGKILL)
		}
		if !found {
			break
		}
	}
	return killed
}

// name tells a process in words; it may have ended.
func (p proc) name() string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid))
	return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(name)), p.pid)
}
