package nvidia

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/partition"
)

// A Host tells what of this machine concerns its GPUs and NVML does not know.
type Host interface {
	// Holders lists, by device minor, the processes that have a GPU open. One with
	// pid 0 stands for processes that could not be looked into, and says so in its
	// name.
	Holders() (map[int][]partition.Holder, error)
	// Owners lists the programs that manage GPUs by themselves.
	Owners() ([]partition.Owner, error)
	// Blind tells why processes of this host cannot be seen, so that the others
	// miss some; empty if they can.
	Blind() string
}

// Proc is the Host that /proc and /etc tell of.
type Proc struct {
	// Root is the folder that they are in; empty means "/".
	Root string

	stat func(path string) (fs.FileInfo, error) // nil: os.Stat
}

func (p Proc) path(name string) string { return filepath.Join(cmp.Or(p.Root, "/"), name) }

// A process is what /proc says of one.
type process struct {
	pid  int
	name string // base name of its program, empty if unknown
}

// processes lists those that run.
func (p Proc) processes() ([]process, error) {
	entries, err := os.ReadDir(p.path("proc"))
	if err != nil {
		return nil, fmt.Errorf("list the processes of this host: %w", err)
	}
	var all []process
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, process{pid, p.name(pid)})
		}
	}
	slices.SortFunc(all, func(a, b process) int { return cmp.Compare(a.pid, b.pid) })
	return all, nil
}

// name is of the command line, as comm holds 15 characters only ("nvidia-mig-mana"),
// or of comm where a program has emptied its own.
func (p Proc) name(pid int) string {
	line, _ := os.ReadFile(p.path(fmt.Sprintf("proc/%d/cmdline", pid)))
	first, _, _ := bytes.Cut(line, []byte{0})
	if fields := strings.Fields(string(first)); len(fields) > 0 {
		return path.Base(strings.TrimSuffix(fields[0], ":"))
	}
	comm, _ := os.ReadFile(p.path(fmt.Sprintf("proc/%d/comm", pid)))
	return strings.TrimSpace(string(comm))
}

// status gives a number of /proc/pid/status, such as the first of Uid.
func (p Proc) status(pid int, key string) (int, bool) {
	data, err := os.ReadFile(p.path(fmt.Sprintf("proc/%d/status", pid)))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				n, err := strconv.Atoi(fields[0])
				return n, err == nil
			}
		}
	}
	return 0, false
}

// Holders looks at every process's open files, this one's left out.
func (p Proc) Holders() (map[int][]partition.Holder, error) {
	all, err := p.processes()
	if err != nil {
		return nil, err
	}
	nodes, err := p.nodes()
	if err != nil {
		return nil, err
	}
	holders := map[int][]partition.Holder{}
	dark := 0
	for _, pr := range all {
		if pr.pid == os.Getpid() && cmp.Or(p.Root, "/") == "/" {
			continue // our own library has them open
		}
		minors, err := p.opened(pr.pid, nodes)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has ended
		}
		if err != nil {
			dark++
		}
		for _, minor := range minors {
			uid, ok := p.status(pr.pid, "Uid")
			if !ok {
				uid = -1
			}
			holders[minor] = append(holders[minor], partition.Holder{PID: pr.pid, Name: pr.name, UID: uid})
		}
	}
	if dark > 0 {
		holders[unreadable] = []partition.Holder{{Name: fmt.Sprintf("unknown: the open files of %d processes could not be read; run as root to see them", dark), UID: -1}}
	}
	return holders, nil
}

// unreadable is the minor under which Holders tells of what could not be read, as it
// may concern any GPU.
const unreadable = -1

// opened lists the minors of the GPUs that a process has open, sorted.
func (p Proc) opened(pid int, nodes nodes) ([]int, error) {
	dir := p.path(fmt.Sprintf("proc/%d/fd", pid))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var minors []int
	var failed error
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		target, err := os.Readlink(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // closed meanwhile
		}
		if err != nil {
			failed = err
			continue
		}
		if minor, ok := nodes.gpu(file, target); ok {
			minors = append(minors, minor)
		}
	}
	slices.Sort(minors)
	return slices.Compact(minors), failed
}

// owners are the programs that manage GPUs, by the name of their process.
var owners = map[string]partition.Owner{
	"nvidia-mig-manager":   {Name: "mig-manager", Why: "it sets the MIG layout that the node's label nvidia.com/mig.config names"},
	"mig-manager":          {Name: "mig-manager", Why: "it sets the MIG layout that the node's label nvidia.com/mig.config names"},
	"gpu-kubelet-plugin":   {Name: "dra-driver", Why: "NVIDIA's DRA driver makes and removes MIG devices by itself"},
	"nvidia-vgpu-mgr":      {Name: "vgpu-manager", Why: "it shares the GPUs out to virtual machines"},
	"nvidia-device-plugin": {Name: "device-plugin", Why: "NVIDIA's device plugin of Kubernetes hands pods the devices that it found when it started"},
}

// Owners looks for the processes of known managers. Slurm's counts where its gres.conf
// has GPUs or MIG devices, or lets NVML find them.
func (p Proc) Owners() ([]partition.Owner, error) {
	all, err := p.processes()
	if err != nil {
		return nil, err
	}
	var found []partition.Owner
	for _, pr := range all {
		if o, ok := owners[pr.name]; ok {
			o.PID, o.Why = pr.pid, fmt.Sprintf("process %d (%s) runs: %s", pr.pid, pr.name, o.Why)
			found = append(found, o)
		}
		if pr.name == "slurmd" {
			if why := p.slurm(); why != "" {
				found = append(found, partition.Owner{Name: "slurm", PID: pr.pid, Why: fmt.Sprintf("process %d (slurmd) runs, and %s", pr.pid, why)})
			}
		}
	}
	return found, nil
}

// slurmFiles are where gres.conf lies: as packages have it, and where slurmd keeps
// the one that a controller sent (Slurm, Configless).
var slurmFiles = []string{"etc/slurm/gres.conf", "etc/slurm-llnl/gres.conf", "run/slurm/conf/gres.conf", "var/spool/slurmd/conf-cache/gres.conf"}

// slurmGPU finds a line of gres.conf by which Slurm hands GPUs or MIG devices out:
// its jobs would start on what a layout takes. (Slurm, gres.conf: AutoDetect=nvml finds
// them by itself, MultipleFiles names MIG devices; a type is called after its profile.)
var slurmGPU = regexp.MustCompile(`(?i)\bName\s*=\s*gpu\b|\bAutoDetect\s*=\s*nv(ml|idia)\b|\bMultipleFiles\s*=|\bMIG\b|nvidia-cap[0-9]|\b[0-9]g\.[0-9]+gb`)

// slurm tells what shows that Slurm hands GPUs out, empty if nothing does.
func (p Proc) slurm() string {
	for _, name := range slurmFiles {
		data, err := os.ReadFile(p.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Sprintf("whether it hands out GPUs is unknown, as /%s cannot be read (%v)", name, err)
		}
		n := 0
		for line := range strings.Lines(string(data)) {
			n++
			line, _, _ = strings.Cut(line, "#")
			if m := slurmGPU.FindString(line); m != "" {
				return fmt.Sprintf("/%s:%d says %q", name, n, m)
			}
		}
	}
	return ""
}
