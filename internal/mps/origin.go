package mps

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// elsewhere says why a process's paths are not ours, empty if they are: the files
// of its namespaces, and ours. What cannot be read may be another's.
func elsewhere(ours, theirs []string) string {
	if !slices.Contains(ours, "") && slices.Equal(ours, theirs) {
		return ""
	}
	if slices.Contains(ours, "") || slices.Contains(theirs, "") {
		return "its namespaces cannot be read, so it may run in a container; try as root, or stop it where it runs"
	}
	return "it runs in a container or another mount namespace; stop it there"
}

// namespaces gives the names of a process's mount and user namespace, each empty if
// it cannot be read. A path means the same to processes of the same mount
// namespace, and a user of the same user namespace. (namespaces(7).)
func namespaces(pid string) []string {
	var names []string
	for _, kind := range []string{"mnt", "user"} {
		name, err := os.Readlink(filepath.Join("/proc", pid, "ns", kind))
		if err != nil {
			name = ""
		}
		names = append(names, name)
	}
	return names
}

// cgroups gives a process's control groups, empty if there are none to be read.
func cgroups(pid string) string {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "cgroup"))
	if err != nil {
		return ""
	}
	return string(text)
}

var (
	// containerGroup is a control group of a container: of Docker, containerd,
	// CRI-O, Podman, LXC, systemd-nspawn, and what kubelet makes.
	containerGroup = regexp.MustCompile(`^((docker|cri-containerd|crio|libpod|machine|nerdctl)-.+\.scope|kubepods.*|docker|libpod_parent|lxc\.payload.*)$`)
	// loginGroup is one in which processes are that nobody manages: of a login, a
	// crontab, or "systemd-run --scope", whose group stays until the last of them ends.
	loginGroup = regexp.MustCompile(`^((session|run)-.+\.scope|init\.scope|user@\d+\.service|(ssh|sshd)(@.*)?\.service|crond?\.service)$`)
)

// unitOf gives the systemd unit or the container that a process of these control
// groups belongs to; empty if it is nobody's but its user's. (cgroups(7);
// systemd.io, Control Group APIs and Delegation.)
func unitOf(groups string) string {
	unit := ""
	for line := range strings.Lines(groups) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		names := strings.Split(parts[2], "/")
		if slices.ContainsFunc(names, containerGroup.MatchString) {
			// The one nearest to the process names it best.
			return "container " + names[len(names)-1]
		}
		if found := service(names); found != "" {
			unit = found
		}
	}
	return unit
}

// service gives the unit of one control group's path, the one nearest to the process.
func service(names []string) string {
	ofUser := slices.ContainsFunc(names, func(name string) bool {
		return strings.HasPrefix(name, "user@") && strings.HasSuffix(name, ".service")
	})
	for _, name := range slices.Backward(names) {
		scope := strings.HasSuffix(name, ".scope")
		if !scope && !strings.HasSuffix(name, ".service") {
			continue
		}
		if loginGroup.MatchString(name) || scope && ofUser { // a user's own window, not a service
			return ""
		}
		if ofUser {
			return "--user " + name
		}
		return name
	}
	return ""
}

// EndsWith is the systemd unit or the container that we belong to, with which what we
// start ends; empty if there is none. Of what is started in the place of a process, it is
// empty too where that belonged to it already.
func EndsWith(unit string) string { return endsWith(unitOf(cgroups("self")), unit) }

func endsWith(own, unit string) string {
	if unit == own {
		return ""
	}
	return own
}

// Keeper says who else starts and ends a daemon and what to do, in words; empty if
// nobody does. A daemon with a keeper is never asked to quit.
func (f Found) Keeper() string {
	switch {
	case f.Elsewhere != "":
		return f.Elsewhere
	case f.UnitOurs:
		return ""
	case strings.HasPrefix(f.Unit, "container "):
		return fmt.Sprintf("it runs in %s; stop it there", f.Unit)
	case f.Unit != "":
		return fmt.Sprintf("it belongs to a unit of systemd; stop it there: systemctl stop %s", f.Unit)
	}
	return ""
}

// deaf says why a daemon is not known to be the one that answers at its pipe folder,
// empty if it is: by the file with its process id that it keeps there.
//
// Note: the peer of a connection to its socket would prove more, but how a control
// daemon takes one that asks nothing is not known.
func deaf(pid int, pipe string) string {
	path := filepath.Join(pipe, Name+".pid")
	listener, err := readPID(path)
	if err != nil {
		return fmt.Sprintf("whether process %d listens at %s cannot be told, so it is left: %v", pid, pipe, err)
	}
	if listener != pid {
		return fmt.Sprintf("another process listens there: %s says process %d, and %d was found", path, listener, pid)
	}
	return ""
}

// readPID reads a file of somebody's: it waits for no pipe and follows no link.
func readPID(path string) (int, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil {
		return 0, err
	} else if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is no regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, 32))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("%s holds %q, which is no process id", path, text)
	}
	return pid, nil
}

// reach waits until a daemon of another's listens, or is gone. What listens there may
// have changed since it was found.
func (d *Daemons) reach(ctx context.Context, f Found) (gone bool, err error) {
	var deaf error // at the last look
	err = until(ctx, d.options.End, func(whole context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(whole, d.options.Ask)
		defer cancel()
		processes, err := d.program.Find(ctx)
		switch {
		case err != nil && whole.Err() != nil && deaf != nil: // the time was over while looking
			return false, deaf
		case err != nil:
			return true, err
		}
		i := slices.IndexFunc(processes, f.same)
		if gone = i < 0; gone {
			return true, nil
		}
		now := d.describe(processes[i])
		switch {
		case now.Keeper() != "":
			return true, &BusyError{Daemon: now, UID: d.options.UID}
		case now.Deaf != "":
			deaf = errors.New(now.Deaf)
			return false, deaf
		case now.Pipe != f.Pipe:
			return true, fmt.Errorf("its pipe folder is %q", now.Pipe)
		}
		return true, nil
	})
	return gone, err
}
