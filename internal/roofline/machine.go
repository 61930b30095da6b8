package roofline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// identity is what a measurement holds for.
type identity struct{ binary, cpu, boot string }

// identify hashes this program and reads what machine this is. What the system
// does not tell of the machine stays empty.
func identify() (identity, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return identity{}, fmt.Errorf("read this program: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return identity{}, fmt.Errorf("read this program: %w", err)
	}
	id := identity{binary: hex.EncodeToString(h.Sum(nil))}
	if fs, err := procfs.NewDefaultFS(); err == nil {
		if cpus, err := fs.CPUInfo(); err == nil && len(cpus) > 0 {
			id.cpu = cpus[0].ModelName
		}
	}
	if boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		id.boot = strings.TrimSpace(string(boot))
	}
	return id, nil
}

// A Use is processor time, in seconds. The zero value is unknown.
type Use struct {
	known     bool
	busy, all float64 // of the machine's processors; busy also by what the host took
	stolen    float64 // of busy, what the host took
	ours      float64 // this process and its children that have ended
}

// ReadUse tells what was used until now, since the machine and this process began.
func ReadUse() (u Use) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return Use{}
	}
	stat, err := fs.Stat()
	if err != nil {
		return Use{}
	}
	c := stat.CPUTotal
	u.busy = c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ + c.Steal // guests are part of User
	u.all = u.busy + c.Idle + c.Iowait
	u.stolen = c.Steal
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var r unix.Rusage
		if err := unix.Getrusage(who, &r); err != nil {
			return Use{}
		}
		u.ours += float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
	}
	u.known = true
	return u
}

// Others is the share of all processors, 0 to 1, that was used until then by others
// than this process and its children that ended meanwhile; nil if unknown.
func (u Use) Others(then Use) *float64 {
	all := then.all - u.all
	if !u.known || !then.known || all <= 0 {
		return nil
	}
	// Two accounts of the same time differ by a few hundredths of a second.
	share := max((then.busy-u.busy-(then.ours-u.ours))/all, 0)
	return &share
}

// Stolen is the share of all processors, 0 to 1, that the host of a virtual machine
// did not give when it was wanted, until then; nil if unknown. What a process is
// told to have used may hold a part of it.
func (u Use) Stolen(then Use) *float64 {
	all := then.all - u.all
	if !u.known || !then.known || all <= 0 {
		return nil
	}
	share := max((then.stolen-u.stolen)/all, 0)
	return &share
}

// peakBytes is the most memory that this process had resident.
//
// Note: getrusage counts in the process that started us, which we were before we
// became this program.
func peakBytes() (int64, error) {
	p, err := procfs.Self()
	if err != nil {
		return 0, err
	}
	status, err := p.NewStatus()
	if err != nil {
		return 0, fmt.Errorf("read our memory: %w", err)
	}
	return int64(status.VmHWM), nil
}
