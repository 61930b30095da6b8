package supervise

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cgroupPrefix begins the names of our cgroups.
const cgroupPrefix = "evabench-"

// makeCgroup makes a cgroup (version 2) below ours for one program, and gives
// its folder; empty where we may not, or there is none.
func makeCgroup(mark string) string {
	ours := ourCgroup()
	if ours == "" {
		return ""
	}
	dir := filepath.Join(ours, cgroupPrefix+strings.ToLower(mark))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(dir, "cgroup.kill")); err != nil { // since Linux 5.14
		_ = os.Remove(dir)
		return ""
	}
	return dir
}

// ourCgroup is the folder of our own cgroup of version 2; empty if unknown.
func ourCgroup() string {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer mounts.Close()
	var mount string
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		// proc_pid_mountinfo(5): the mount point is field 5; the type follows " - ".
		left, right, ok := strings.Cut(lines.Text(), " - ")
		if fields := strings.Fields(left); ok && len(fields) > 4 && strings.HasPrefix(right, "cgroup2 ") && fields[3] == "/" {
			mount = fields[4]
		}
	}
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil || mount == "" {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return filepath.Join(mount, path)
		}
	}
	return ""
}

// killCgroup kills all that is in a cgroup. It does nothing without one.
func killCgroup(dir string) {
	if dir != "" {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0) // it may be gone
	}
}

// endCgroup kills all that is in a cgroup and removes it, if it is empty by now.
func endCgroup(dir string) {
	if dir == "" {
		return
	}
	killCgroup(dir)
	// What was killed takes a moment to leave, and an empty cgroup that is left
	// behind does no harm.
	for range 100 {
		if err := os.Remove(dir); err == nil || os.IsNotExist(err) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// removeEmptyCgroups removes what nobody was left to remove.
func removeEmptyCgroups() {
	ours := ourCgroup()
	if ours == "" {
		return
	}
	all, _ := filepath.Glob(filepath.Join(ours, cgroupPrefix+"*")) // the pattern is good
	for _, dir := range all {
		_ = os.Remove(dir) // the kernel keeps one with a process in it
	}
}

// An oomCount is how many processes the kernel killed for want of memory so far.
type oomCount struct {
	file, key string // empty: unknown
	count     int64
}

// countOOM is what can be held against the order's program.
func (o Order) countOOM(cgroup string) oomCount {
	if o.Elsewhere {
		return oomCount{}
	}
	return countOOM(cgroup)
}

// countOOM reads the count of a cgroup or, where it has no memory controller,
// that of the whole machine (proc_vmstat(5), since Linux 4.13).
func countOOM(cgroup string) oomCount {
	if cgroup != "" {
		if n, ok := readCount(filepath.Join(cgroup, "memory.events"), "oom_kill"); ok {
			return oomCount{filepath.Join(cgroup, "memory.events"), "oom_kill", n}
		}
	}
	if n, ok := readCount("/proc/vmstat", "oom_kill"); ok {
		return oomCount{"/proc/vmstat", "oom_kill", n}
	}
	return oomCount{}
}

// grown is by how much the count has grown; 0 if that is unknown.
func (c oomCount) grown() int64 {
	now, ok := readCount(c.file, c.key)
	if !ok {
		return 0
	}
	return max(now-c.count, 0)
}

// own reports whether the count is of the program alone, not of the machine.
func (c oomCount) own() bool { return c.file != "" && c.file != "/proc/vmstat" }

// since tells in words that the count has grown; empty if it has not.
func (c oomCount) since() string {
	n := c.grown()
	if n == 0 {
		return ""
	}
	where := "on this machine"
	if c.own() {
		where = "in its cgroup"
	}
	return fmt.Sprintf("the kernel killed %d for want of memory %s meanwhile", n, where)
}

// readCount reads one number of a file of lines "KEY NUMBER".
func readCount(file, key string) (int64, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(line, key+" "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
