package nvidia

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// nodes tells which GPU a device file belongs to.
type nodes struct {
	stat func(path string) (fs.FileInfo, error)
	// majors are the numbers of the GPUs' own files.
	majors map[uint64]bool
	// capMajor is that of the files of MIG capabilities, 0 if there are none, and
	// caps the minors of their GPUs, by their own.
	capMajor uint64
	caps     map[int]int
}

// nvidiaMajor is the registered number of the GPUs' files; minors after lastGPU are
// nvidia-modeset and nvidiactl. (Linux, Documentation/admin-guide/devices.txt.)
const nvidiaMajor, lastGPU = 195, 253

var (
	gpuNode  = regexp.MustCompile(`(?:^|/)dev/nvidia([0-9]+)$`)
	capNode  = regexp.MustCompile(`(?:^|/)dev/nvidia-caps/nvidia-cap([0-9]+)$`)
	capMinor = regexp.MustCompile(`^gpu([0-9]+)/\S+ ([0-9]+)$`)
)

// nodes reads /proc/devices and, for the capabilities of MIG,
// /proc/driver/nvidia-caps/mig-minors. (NVIDIA MIG User Guide, Device Nodes.)
func (p Proc) nodes() (nodes, error) {
	n := nodes{stat: p.stat, majors: map[uint64]bool{nvidiaMajor: true}, caps: map[int]int{}}
	if n.stat == nil {
		n.stat = os.Stat
	}
	numbers, err := p.optional("proc/devices")
	if err != nil {
		return n, fmt.Errorf("read the numbers of device files: %w", err)
	}
	for line := range strings.Lines(numbers) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		major, err := strconv.ParseUint(fields[0], 10, 32)
		switch {
		case err != nil:
		case fields[1] == "nvidia", fields[1] == "nvidia-frontend":
			n.majors[major] = true
		case fields[1] == "nvidia-caps":
			n.capMajor = major
		}
	}
	minors, err := p.optional("proc/driver/nvidia-caps/mig-minors")
	if err != nil {
		return n, fmt.Errorf("read which capability is which GPU's: %w", err)
	}
	for line := range strings.Lines(minors) {
		if m := capMinor.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			gpu, _ := strconv.Atoi(m[1])
			node, _ := strconv.Atoi(m[2])
			n.caps[node] = gpu
		}
	}
	return n, nil
}

// optional reads a file that may not be there.
func (p Proc) optional(name string) (string, error) {
	data, err := os.ReadFile(p.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(data), err
}

// gpu gives the minor of the GPU whose device a process has open as file, a link to
// target: by the device's numbers, or by its name where it cannot be looked at.
//
// Note: the name alone will not do, as a container has the device under a root of its
// own, or under another name. Only what may be a device by its path is looked at: a
// file of a dead network server would keep us waiting.
func (n nodes) gpu(file, target string) (minor int, ok bool) {
	if !strings.Contains(target, "dev/") && !strings.Contains(target, "nvidia") {
		return 0, false
	}
	if info, err := n.stat(file); err == nil {
		s, known := info.Sys().(*syscall.Stat_t)
		if known && info.Mode()&fs.ModeCharDevice != 0 {
			major, minor := numbers(uint64(s.Rdev))
			switch {
			case n.majors[major]:
				return minor, minor <= lastGPU
			case n.capMajor != 0 && major == n.capMajor:
				gpu, ok := n.caps[minor]
				return gpu, ok
			}
		}
	}
	if m := gpuNode.FindStringSubmatch(target); m != nil {
		minor, err := strconv.Atoi(m[1])
		return minor, err == nil
	}
	if m := capNode.FindStringSubmatch(target); m != nil {
		node, _ := strconv.Atoi(m[1])
		minor, ok = n.caps[node]
	}
	return minor, ok
}

// numbers splits a device number of Linux (makedev(3)).
func numbers(dev uint64) (major uint64, minor int) {
	return dev>>8&0xfff | dev>>32&^0xfff, int(dev&0xff | dev>>12&^0xff)
}
