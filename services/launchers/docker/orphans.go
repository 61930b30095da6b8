package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/evabench/evabench/services"
)

// The labels of our containers.
const (
	labelOwner    = "evabench.owner"    // see owner
	labelInstance = "evabench.instance" // its name in the scenario, with its number
	labelLogs     = "evabench.logs"     // the folder of its logs
)

// owner names this process so that no other is ever meant: HOST/BOOT/NAMESPACE/PID/BEGIN.
func owner() string {
	begin, _ := begun(os.Getpid())
	return home() + "/" + strconv.Itoa(os.Getpid()) + "/" + begin
}

// home is where our processes' numbers are valid.
func home() string {
	host, _ := os.Hostname()
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, _ := os.Readlink("/proc/self/ns/pid")
	return host + "/" + strings.TrimSpace(string(boot)) + "/" + space
}

// begun is when a process was started, in the kernel's ticks since boot; false if
// there is none, or it may not be seen.
func begun(pid int) (string, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	// The name may hold anything; the last ) ends it. Fields 3 (state) and 22
	// (start) follow. (proc_pid_stat(5))
	after := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(after) < 20 {
		return "", false
	}
	if after[0] == "Z" {
		return "ended", true
	}
	return after[19], true
}

// abandoned reports whether the owner of a container has surely ended. Those of
// other hosts and of other PID namespaces cannot be seen from here. One of
// another boot is of this host only if its container does not run: none of ours
// outlives a boot, and a daemon may be shared by hosts of one name.
func abandoned(owner string, running bool) bool {
	at := strings.Split(owner, "/")
	ours := strings.Split(home(), "/")
	if len(at) != 5 || len(ours) != 3 || at[0] != ours[0] || at[1] == "" {
		return false
	}
	if at[1] != ours[1] {
		return !running
	}
	pid, err := strconv.Atoi(at[3])
	if err != nil || pid < 1 || at[2] != ours[2] {
		return false
	}
	begin, seen := begun(pid)
	if !seen {
		// /proc may hide other users' processes (hidepid); the kernel tells.
		return syscall.Kill(pid, 0) == syscall.ESRCH
	}
	return begin != at[4]
}

// programs are the commands that containers are looked for by before a scenario was
// agreed to. Any other is what the scenario names.
var programs = []string{"docker", "podman", "nerdctl"}

// AfterConsent reports whether the command is the scenario's own.
func (l *launcher) AfterConsent() bool { return !slices.Contains(programs, l.config.Command) }

// ownerFormat asks whether a container runs, for its name and its owner.
const ownerFormat = `--format={{.State.Running}} {{.Name}} {{index .Config.Labels "` + labelOwner + `"}}`

// EndOrphans removes the containers whose evabench has ended without removing
// them, as after a kill -9 of it and of its supervisors together, and tells each
// as "container NAME". Without the command there are none.
func (l *launcher) EndOrphans(ctx context.Context) ([]string, error) {
	c, err := l.find()
	if err != nil {
		return nil, nil // Probe tells
	}
	out, err := c.run(ctx, "ps", "--all", "--quiet", "--no-trunc", "--filter", "label="+labelOwner)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", services.ErrNotLooked, err)
	}
	var ended []string
	for id := range strings.FieldsSeq(out) {
		out, err := c.run(ctx, "inspect", ownerFormat, id)
		if errors.Is(err, errUnanswered) {
			return ended, fmt.Errorf("%w: %w", services.ErrNotLooked, err)
		} else if err != nil {
			continue // somebody else removes it
		}
		running, rest, _ := strings.Cut(strings.TrimSpace(out), " ")
		name, owner, _ := strings.Cut(rest, " ")
		name = strings.TrimPrefix(name, "/")
		if !abandoned(owner, running != "false") {
			continue
		}
		if err := c.remove(ctx, id); err != nil {
			return ended, fmt.Errorf("remove the container %s of an earlier run: %w", name, err)
		}
		ended = append(ended, "container "+name)
	}
	return ended, nil
}

// remove ends and removes a container, with its anonymous volumes. One that is
// not there is removed; one that somebody else is removing is waited for.
func (c command) remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, removeWithin)
	defer cancel()
	again := time.NewTicker(removedEvery)
	defer again.Stop()
	for {
		_, said, err := c.talk(ctx, "rm", "--force", "--volumes", name)
		switch {
		case err != nil && ctx.Err() == nil && isGone(said):
			return nil
		case err == nil || !isGoing(said):
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-again.C:
		}
	}
}

// Somebody else who removes a container is waited for so long, and asked for so often.
const (
	removeWithin = time.Minute
	removedEvery = 100 * time.Millisecond
)

// isGone reports whether the command says that there is no such container.
func isGone(said string) bool {
	said = strings.ToLower(said)
	return strings.Contains(said, "no such container") || strings.Contains(said, "no container with name")
}

// isGoing reports whether the command says that another removes the container at the
// moment, whose processes may still hold a device.
func isGoing(said string) bool { return strings.Contains(strings.ToLower(said), "already in progress") }
