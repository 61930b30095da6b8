// Package mpsfake is a strict, simulated nvidia-cuda-mps-control: a real program
// with real sockets and processes, and no GPU.
//
// The program is the executable that is built with this package, called by the
// name nvidia-cuda-mps-control: see [Called] and [Install]. It refuses what the real
// one refuses, and where it is not known what that does, it is the stricter. What
// it prints follows the manual page of nvidia-cuda-mps-control and NVIDIA's
// Multi-Process Service documentation; messages that those do not give are our own.
package mpsfake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/evabench/evabench/internal/environ"
	"github.com/evabench/evabench/internal/mps"
)

// simulated stands in whatever the program says of itself.
const simulated = "SIMULATED (evabench): no GPU and no CUDA behind it"

// lockDescriptor is the lock's file in a daemon: the first beyond the standard ones.
const lockDescriptor = 3

// Called reports whether this process was called by the name of the program. A
// main, and a test's TestMain, begins with:
//
//	if mpsfake.Called() {
//		os.Exit(mpsfake.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
//	}
func Called() bool { return filepath.Base(os.Args[0]) == mps.Name }

// Install makes the program in a folder, as a link to an executable whose main
// begins as [Called] says, and gives its path: what [mps.Control] takes. That the
// executable does so is tried. A link that is there already is taken over.
func Install(dir, exe string) (path string, err error) {
	path = filepath.Join(dir, mps.Name)
	if at, err := os.Readlink(path); err != nil || at != exe {
		if err := os.Symlink(exe, path); err != nil {
			return "", fmt.Errorf("install the simulated %s: %w", mps.Name, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	try := exec.CommandContext(ctx, path, "-v")
	try.Env = environ.Own()
	said, err := try.CombinedOutput()
	if err != nil || !strings.Contains(string(said), simulated) {
		return "", fmt.Errorf("install the simulated %s: %s is not one: its main must begin with mpsfake.Called: %w", mps.Name, exe, errors.Join(err, errors.New(strings.TrimSpace(string(said)))))
	}
	return path, nil
}

// Main is the program: it gives the exit status. With -d it leaves a daemon behind,
// with -f it is one until it is told to quit; without either it puts the commands
// of stdin, one a line, to the daemon of the pipe folder.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) string) int {
	say := func(status int, format string, a ...any) int {
		fmt.Fprintf(stderr, format+"\n", a...)
		return status
	}
	folders := foldersOf(env)
	switch strings.Join(args, " ") {
	case "":
		return askAll(folders.pipe, stdin, stdout, stderr)
	case "-v", "--version":
		fmt.Fprintf(stdout, "%s version 0, %s\n", mps.Name, simulated)
		return 0
	case "-h", "--help":
		fmt.Fprintf(stdout, "%s\nusage: %s [-d | -f]\n", simulated, mps.Name)
		return 0
	case "-d":
		if err := launch(folders); err != nil {
			return say(1, "%v", err)
		}
		return 0
	case "-d -d": // what launch calls: the same in a process list
		return status(serve(folders, os.NewFile(lockDescriptor, "lock"), env), say)
	case "-f":
		lock, err := folders.lock()
		if err != nil {
			return say(1, "%v", err)
		}
		return status(serve(folders, lock, env), say)
	}
	return say(1, "%s: unknown option in %q", mps.Name, args)
}

func status(err error, say func(int, string, ...any) int) int {
	if err != nil {
		return say(1, "%v", err)
	}
	return 0
}

// folders are a daemon's two.
type folders struct{ pipe, log string }

func foldersOf(env func(string) string) folders {
	f := folders{pipe: env(mps.PipeVariable), log: env(mps.LogVariable)}
	if f.pipe == "" {
		f.pipe = mps.DefaultPipe
	}
	if f.log == "" {
		f.log = mps.DefaultLog
	}
	return f
}

func (f folders) socket() string { return filepath.Join(f.pipe, "control") }
func (f folders) pid() string    { return filepath.Join(f.pipe, mps.Name+".pid") }

// errRunning is what the real program says.
//
//lint:ignore ST1005 these are its very words
var errRunning = errors.New("An instance of this daemon is already running")

// lock takes the place of the one daemon of a pipe folder.
func (f folders) lock() (*os.File, error) {
	for _, folder := range []string{f.pipe, f.log} {
		if info, err := os.Stat(folder); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, fmt.Errorf("%s is no folder", folder)
		}
	}
	file, err := os.OpenFile(filepath.Join(f.pipe, "control_lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errRunning, file.Close())
	}
	return file, nil
}

// launch starts the daemon's process and does not wait until it listens, as the
// real one does not.
func launch(f folders) error {
	lock, err := f.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := &exec.Cmd{
		Path: exe, Args: []string{os.Args[0], "-d", "-d"}, Env: os.Environ(), Dir: "/",
		ExtraFiles:  []*os.File{lock},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

// askAll puts each line of stdin to the daemon.
func askAll(pipe string, stdin io.Reader, stdout, stderr io.Writer) int {
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		command := strings.TrimSpace(lines.Text())
		if command == "" {
			continue
		}
		said, err := ask(context.Background(), pipe, command)
		if errors.Is(err, ErrNoDaemon) {
			fmt.Fprintln(stderr, "Cannot find MPS control daemon process")
			return 1
		} else if err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		if said != "" {
			fmt.Fprintln(stdout, said)
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, fs.ErrClosed) {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}
