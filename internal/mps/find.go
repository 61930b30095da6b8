package mps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"
)

// Find reads /proc. A daemon is a process of the program that was given -d or -f:
// one that was not is somebody's question. See [Program]. What ended while it was
// looked at is left out. A Path that leads nowhere is an error that wraps
// [ErrNoProgram]: whose daemons are meant cannot be told.
func (c Control) Find(ctx context.Context) ([]Process, error) {
	path, standIn, err := c.standIn()
	if err != nil {
		return nil, fmt.Errorf("find MPS daemons: %w", err)
	}
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	own := origin{namespaces: namespaces("self"), unit: unitOf(cgroups("self"))}
	var found []Process
	for _, p := range all {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		words, err := p.CmdLine()
		if err != nil || len(words) == 0 { // gone, a zombie, or of the kernel
			continue
		}
		if standIn && words[0] != path || !standIn && !isProgram(p, words[0]) || !isDaemon(words[1:]) {
			continue
		}
		if one, ok, err := describe(p, words, own); err != nil {
			return nil, fmt.Errorf("read process %d: %w", p.PID, err)
		} else if ok {
			found = append(found, one)
		}
	}
	slices.SortFunc(found, func(a, b Process) int { return a.PID - b.PID })
	return found, nil
}

// standIn gives Path if it leads to a program of another name.
func (c Control) standIn() (path string, ok bool, err error) {
	if c.Path == "" {
		return "", false, nil
	}
	path, err = exec.LookPath(c.Path)
	if err != nil {
		path = c.Path
	}
	file, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("%w: %s leads to no file", ErrNoProgram, c.Path)
	}
	if err != nil {
		return "", false, fmt.Errorf("follow %s: %w", c.Path, err)
	}
	return path, filepath.Base(file) != Name, nil
}

// isProgram goes by the file that runs, or if we may not see it, by what the
// process calls itself. (The name in comm is cut off at 15 characters, where
// daemon and server are alike.)
func isProgram(p procfs.Proc, called string) bool {
	file, err := p.Executable()
	if err != nil || file == "" {
		return filepath.Base(called) == Name
	}
	return filepath.Base(strings.TrimSuffix(file, " (deleted)")) == Name
}

func isDaemon(args []string) bool {
	return slices.Contains(args, "-d") || slices.Contains(args, "-f")
}

// An origin is where a process comes from.
type origin struct {
	namespaces []string
	unit       string
}

// describe reads one process; not ok if it ended meanwhile.
func describe(p procfs.Proc, words []string, own origin) (Process, bool, error) {
	stat, err := p.Stat()
	if err != nil {
		return gone(err)
	}
	if stat.State == "Z" || stat.State == "X" {
		return Process{}, false, nil
	}
	status, err := p.NewStatus()
	if err != nil {
		return gone(err)
	}
	one := Process{PID: p.PID, UID: int(status.UIDs[1]), Started: stat.Starttime, Args: words[1:]}
	pid := strconv.Itoa(p.PID)
	one.Elsewhere = elsewhere(own.namespaces, namespaces(pid))
	one.Unit = unitOf(cgroups(pid))
	one.UnitOurs = one.Unit == own.unit
	lines, err := p.Environ()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return one, true, nil
	case err != nil:
		return gone(err)
	}
	one.Env = make(map[string]string, len(lines))
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, "="); ok {
			one.Env[name] = value
		}
	}
	if one.Elsewhere == "" {
		one.Deaf = deaf(one.PID, cmp.Or(one.Env[PipeVariable], DefaultPipe))
	}
	return one, true, nil
}

// gone tells the error of a process that ended from others.
func gone(err error) (Process, bool, error) {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return Process{}, false, nil
	}
	return Process{}, false, err
}

// Signal sends a signal to a daemon. See [Signaller]. That it has ended already
// is no error.
func (c Control) Signal(ctx context.Context, p Process, signal syscall.Signal) error {
	// A handle first, then the look: whoever gets the number later cannot get the
	// signal.
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return fmt.Errorf("signal MPS daemon %d: %w", p.PID, err)
	}
	defer handle.Release()
	found, err := c.Find(ctx)
	if err != nil {
		return fmt.Errorf("signal MPS daemon %d: %w", p.PID, err)
	}
	i := slices.IndexFunc(found, p.same)
	if i < 0 {
		return nil
	}
	if why := found[i].Elsewhere; why != "" {
		return fmt.Errorf("signal MPS daemon %d: %s", p.PID, why)
	}
	if found[i].Env == nil || found[i].Env[PipeVariable] != p.Env[PipeVariable] {
		return fmt.Errorf("signal MPS daemon %d: its pipe folder is not %q", p.PID, p.Env[PipeVariable])
	}
	if err := handle.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal MPS daemon %d: %w", p.PID, err)
	}
	return nil
}

// groupOf gives a user's own group.
func groupOf(uid int) uint32 { return credential(uid, user.LookupId, (*user.User).GroupIds).Gid }

// credential gives a user with all groups: the GPU's device files may be open to a
// group alone. Of a user without a name it is the group of the same number.
func credential(uid int, lookup func(string) (*user.User, error), groups func(*user.User) ([]string, error)) *syscall.Credential {
	c := &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	u, err := lookup(strconv.Itoa(uid))
	if err != nil {
		return c
	}
	if gid, err := strconv.ParseUint(u.Gid, 10, 32); err == nil {
		c.Gid = uint32(gid)
	}
	ids, err := groups(u)
	if err != nil { // its own group is all that is known
		return c
	}
	for _, id := range ids {
		if gid, err := strconv.ParseUint(id, 10, 32); err == nil {
			c.Groups = append(c.Groups, uint32(gid))
		}
	}
	return c
}
