package mps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// askLimit ends a control program that hangs: its answers take milliseconds, but
// quit waits for clients.
const askLimit = time.Minute

// closeLimit is how long the pipes of an ended control program are read on, since
// a daemon that it left behind may hold them open. It is long, since an answer counts as
// unread if we stand still for that long after its end.
const closeLimit = 10 * time.Second

// noDaemonText is what the control program says, with exit status 1, if nothing
// listens at the pipe folder.
const noDaemonText = "Cannot find MPS control daemon process"

// Control runs nvidia-cuda-mps-control. The zero value is ready to use; it is
// safe for concurrent use.
type Control struct {
	// Path is the program; empty means that it is looked up in PATH at each call.
	// A path that leads to a program of another name (a stand-in) sees only the
	// daemons that were started by that very path; one that leads nowhere sees
	// none, which is an error.
	Path string
	// Limit bounds each run of the program; 0 means one minute.
	Limit time.Duration
}

// Start runs "nvidia-cuda-mps-control -d" with exactly that environment and as
// that user, and waits until the process that it called has ended; the daemon is
// its child. See [Program]. The error wraps [ErrNoProgram] if there is none.
func (c Control) Start(ctx context.Context, env []string, uid int) error {
	// The daemon may keep its parent's output: a file, since a pipe's end would
	// never come.
	out, err := scratch()
	if err != nil {
		return fmt.Errorf("start an MPS control daemon: %w", err)
	}
	defer out.Close()
	began := time.Now()
	ctx, cancel := c.limit(ctx)
	defer cancel()
	cmd, err := c.command(ctx, env, "-d")
	if err != nil {
		return err
	}
	if uid != os.Geteuid() {
		cmd.SysProcAttr.Credential = credential(uid, user.LookupId, (*user.User).GroupIds)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		said := make([]byte, 4096)
		n, _ := out.ReadAt(said, 0)
		return fault(ctx, began, "start an MPS control daemon", strings.TrimSpace(string(said[:n])), err)
	}
	return nil
}

// Ask pipes one command to the program. See [Program]. The error wraps
// [ErrNoProgram] or [ErrNoDaemon] if there is none, and anything on the program's
// standard error is an error, since what it printed beside that cannot be relied on.
func (c Control) Ask(ctx context.Context, pipe, command string) (string, error) {
	doing := fmt.Sprintf("ask the MPS daemon of %s %q", pipe, command)
	if command == "" || strings.ContainsAny(command, "\n\r\x00") {
		return "", fmt.Errorf("%s: that is not one command", doing)
	}
	began := time.Now()
	ctx, cancel := c.limit(ctx)
	defer cancel()
	cmd, err := c.command(ctx, []string{PipeVariable + "=" + pipe})
	if err != nil {
		return "", err
	}
	var out, faults bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(command+"\n"), &out, &faults
	err = cmd.Run()
	said := strings.TrimSpace(strings.TrimSpace(faults.String()) + "\n" + strings.TrimSpace(out.String()))
	if strings.Contains(said, noDaemonText) {
		return "", fmt.Errorf("%s: %w", doing, ErrNoDaemon)
	}
	if err == nil && faults.Len() > 0 {
		err = errors.New("it complained")
	}
	if err != nil {
		return "", fault(ctx, began, doing, said, err)
	}
	return strings.TrimRight(out.String(), "\r\n"), nil
}

// command makes a run of the program that ends with ctx, killed by its own pid.
func (c Control) command(ctx context.Context, env []string, args ...string) (*exec.Cmd, error) {
	path := c.Path
	if path == "" {
		path = Name
	}
	found, err := exec.LookPath(path)
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look for %s: %w", path, ErrNoProgram)
		}
		return nil, fmt.Errorf("look for %s: %w", path, err)
	}
	cmd := exec.CommandContext(ctx, found, args...)
	cmd.Env = append(make([]string, 0, len(env)), env...) // never nil: nil would inherit ours
	cmd.Dir = "/"
	cmd.WaitDelay = closeLimit
	// An interrupt at the terminal is for us alone: we put back what is half changed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, nil
}

func (c Control) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.Limit > 0 {
		return context.WithTimeout(ctx, c.Limit)
	}
	return context.WithTimeout(ctx, askLimit)
}

// fault says what the program was to do, what it said and how it ended.
func fault(ctx context.Context, began time.Time, doing, said string, err error) error {
	if ctx.Err() != nil {
		err = fmt.Errorf("%s, so the program was killed: %w", over(ctx, began), ctx.Err())
	}
	if said != "" {
		return fmt.Errorf("%s: %w: it said %q", doing, err, said)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// scratch gives a file in memory, without a name: a kill leaves nothing of it.
func scratch() (*os.File, error) {
	fd, err := unix.MemfdCreate("mps-start", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "mps-start"), nil
}
