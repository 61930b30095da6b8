package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// errKilled is the fault of a program that did not end when it was told.
var errKilled = errors.New("killed: it did not end after SIGINT")

// grace is how long a program that was told to end may take: evabench stops its
// services and restores meanwhile.
const grace = 40 * time.Second

// command runs a program with its output in logs, from the folder of the
// scenarios. At the limit, or when ctx ends, it gets SIGINT. It gives the exit
// status, and whether it was the limit that ended it.
func (c *check) command(ctx context.Context, log string, limit time.Duration, program string, args ...string) (exit int, ended bool, err error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(limited, program, args...)
	cmd.Dir = filepath.Join(c.scratch, "examples", "gpu-check")
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(c.scratch, "bin")+":"+os.Getenv("PATH")+":"+driverFolder+"/bin",
		"TMPDIR="+filepath.Join(c.scratch, "tmp"), // Python's libraries leave folders there
		"PYTHONDONTWRITEBYTECODE=1", "NO_COLOR=1")
	if libraries := driverFolder + "/lib64"; exists(libraries) {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+strings.TrimPrefix(os.Getenv("LD_LIBRARY_PATH")+":"+libraries, ":"))
	}
	// A terminal's Ctrl-C comes through us alone; and if we are killed, evabench
	// restores and ends, instead of going on with nobody to wait for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = grace
	stdout, err := os.Create(c.log(log + ".out"))
	if err != nil {
		return 0, false, err
	}
	defer stdout.Close()
	stderr, err := os.Create(c.log(log + ".err"))
	if err != nil {
		return 0, false, err
	}
	defer stderr.Close()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Run()
	if cmd.ProcessState == nil {
		return 0, false, err // it was not started
	}
	if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() && s.Signal() == syscall.SIGKILL && limited.Err() != nil {
		return -1, true, errKilled
	}
	return cmd.ProcessState.ExitCode(), limited.Err() != nil, nil
}

// short is the limit of programs that only look.
const short = 90 * time.Second

// output runs a program that only looks, and gives what it wrote. A status but 0
// is a fault, which has the last line of what it said.
func (c *check) output(ctx context.Context, log, program string, args ...string) (string, error) {
	return c.outputWithin(ctx, short, log, program, args...)
}

func (c *check) outputWithin(ctx context.Context, limit time.Duration, log, program string, args ...string) (string, error) {
	exit, ended, err := c.command(ctx, log, limit, program, args...)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(c.log(log + ".out"))
	if err != nil {
		return "", err
	}
	switch {
	case ended:
		return "", fmt.Errorf("%s %s was ended after %v", filepath.Base(program), strings.Join(args, " "), limit)
	case exit != 0:
		return "", fmt.Errorf("exit status %d: %s", exit, c.lastLine(log))
	}
	return string(text), nil
}

func (c *check) log(name string) string { return filepath.Join(c.tree, "logs", name) }

// lastLine gives the last line that a program said, empty if it said nothing.
func (c *check) lastLine(log string) string {
	said, err := os.ReadFile(c.log(log + ".err"))
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(said), []byte("\n"))
	return string(lines[len(lines)-1])
}
