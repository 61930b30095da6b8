package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"github.com/evabench/evabench/results"
)

// The series of a service's processes, the root with all of its descendants. The
// subject's ID is "name/pid" of the root.
const (
	// SeriesProcessCPU is user and system time, also of descendants that have ended and
	// were waited for, s.
	SeriesProcessCPU = "host:process_cpu_seconds_total"
	// SeriesProcessMemory is resident memory; what processes share counts for each, B.
	SeriesProcessMemory = "host:process_resident_memory_bytes"
	SeriesProcesses     = "host:process_processes" // 1
	SeriesThreads       = "host:process_threads"   // 1
	// SeriesProcessWait is how long threads waited for a processor since the first
	// reading, added up, s. What threads waited that came and went between two readings is
	// not in it.
	SeriesProcessWait = "host:process_run_queue_seconds_total"
)

// searchEvery is how often new descendants are looked for among all processes.
//
// Note: a search reads a file for each process of the machine. /proc/PID/task/TID/children
// would name them, but by the thread that made them: hundreds of files for a server with
// hundreds of threads, and not every kernel has it.
const searchEvery = 5 * time.Second

// trees reads the processes of services.
type trees struct {
	proc     procfs.FS
	searched time.Time
	members  map[int][]int        // by root: it and its descendants
	waits    map[int]*accumulated // by root
}

// An accumulated is a sum over threads that only grows, though threads end.
type accumulated struct {
	total time.Duration
	last  map[int]uint64 // by thread, ns
}

// read gives the readings of each root.
func (t *trees) read(ctx context.Context, roots []Process, now time.Time, put func(results.Subject, string, float64, string)) error {
	if len(roots) == 0 {
		return nil
	}
	known := true
	for _, r := range roots {
		_, ok := t.members[r.PID]
		known = known && ok
	}
	if !known || now.Sub(t.searched) >= searchEvery {
		if err := t.search(roots); err != nil {
			return fmt.Errorf("search for processes: %w", err)
		}
		t.searched = now
	}
	var faults []error
	for _, r := range roots {
		err := errChanged
		for try := 0; errors.Is(err, errChanged) && try < tries; try++ {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if try > 0 {
				if err := t.search(roots); err != nil {
					return fmt.Errorf("search for processes: %w", err)
				}
			}
			err = t.readTree(r, put)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("processes of %s: %w", r.Name, err))
		}
	}
	return errors.Join(faults...)
}

// tries is how often a tree is read that changes meanwhile.
const tries = 3

// errChanged is a tree of which a process ended before it was read: its time is its
// parent's now, which was read already.
var errChanged = errors.New("they come and go too fast to be added up")

// search finds the descendants of all roots.
func (t *trees) search(roots []Process) error {
	all, err := t.proc.AllProcs()
	if err != nil {
		return err
	}
	children := make(map[int][]int)
	for _, p := range all {
		if stat, err := p.Stat(); err == nil { // else it has ended
			children[stat.PPID] = append(children[stat.PPID], p.PID)
		}
	}
	members, waits := make(map[int][]int), make(map[int]*accumulated)
	for _, r := range roots {
		tree := []int{r.PID}
		for i := 0; i < len(tree); i++ {
			for _, child := range children[tree[i]] {
				if !slices.Contains(tree, child) {
					tree = append(tree, child)
				}
			}
		}
		members[r.PID] = tree
		if waits[r.PID] = t.waits[r.PID]; waits[r.PID] == nil {
			waits[r.PID] = &accumulated{}
		}
	}
	t.members, t.waits = members, waits
	return nil
}

func (t *trees) readTree(r Process, put func(results.Subject, string, float64, string)) error {
	var cpu, memory float64
	var processes, threads int
	waits := make(map[int]uint64)
	waitKnown := true
	members := t.members[r.PID]
	for _, pid := range members {
		stat, err := t.stat(pid)
		switch {
		case err != nil && pid != r.PID && ended(err):
			return errChanged
		case err != nil:
			return err
		case pid != r.PID && !slices.Contains(members, stat.PPID):
			return errChanged // its number is another's
		}
		// The time of those that ended is their parent's: it moves within the sum.
		cpu += float64(stat.CUTime+stat.CSTime) / userHz
		if r.Keeper && pid == r.PID {
			continue
		}
		cpu += stat.CPUTime()
		memory += float64(stat.RSS) * float64(os.Getpagesize())
		processes++
		threads += stat.NumThreads
		if err := t.addWaits(pid, waits); err != nil && !ended(err) {
			waitKnown = false
		}
	}
	if processes == 0 {
		return errors.New("none runs")
	}
	subject := results.Subject{Kind: results.SubjectProcess, ID: r.Name + "/" + strconv.Itoa(r.PID)}
	put(subject, SeriesProcessCPU, cpu, "s")
	put(subject, SeriesProcessMemory, memory, "B")
	put(subject, SeriesProcesses, float64(processes), "1")
	put(subject, SeriesThreads, float64(threads), "1")
	if waitKnown && len(waits) > 0 {
		put(subject, SeriesProcessWait, t.waits[r.PID].add(waits).Seconds(), "s")
	}
	return nil
}

// userHz is the ticks of a second in /proc/PID/stat, the same on every Linux machine
// that Go runs on; procfs counts with it too.
const userHz = 100

func (t *trees) stat(pid int) (procfs.ProcStat, error) {
	p, err := t.proc.Proc(pid)
	if err != nil {
		return procfs.ProcStat{}, err
	}
	return p.Stat()
}

// addWaits reads how long each thread of a process has waited for a processor, ns.
func (t *trees) addWaits(pid int, waits map[int]uint64) error {
	threads, err := t.proc.AllThreads(pid)
	if err != nil {
		return err
	}
	for _, thread := range threads {
		s, err := thread.Schedstat()
		switch {
		case err == nil:
			waits[thread.PID] = s.WaitingNanoseconds
		case !ended(err):
			return err
		}
	}
	return nil
}

// add takes the threads' latest sums. The first reading counts from zero, as do threads
// that came since.
func (a *accumulated) add(now map[int]uint64) time.Duration {
	for tid, waited := range now {
		before, known := a.last[tid]
		switch {
		case a.last == nil: // what was before the first reading is not counted
		case known && waited >= before:
			a.total += time.Duration(waited - before)
		default: // a new thread, perhaps under an old number
			a.total += time.Duration(waited)
		}
	}
	a.last = now
	return a.total
}

// ended reports whether an error says that a process or thread is gone.
func ended(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }
