package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mark is the variable by which whatever a bed's commands start is known again.
const mark = "EVABENCH_TORTURE"

// A bed is what a class works on: the command, and a folder that nobody else uses.
type bed struct {
	evabench string // the program to drive, an absolute path
	dir      string // of this class; it holds tmp, and what the class makes
	seed     uint64 // of the class's first fault
	talk     io.Writer
	id       string   // the value of mark
	env      []string // more variables of its commands
}

// newBed makes the bed of one class in a folder that it makes.
func newBed(evabench, dir string, seed uint64, talk io.Writer) (*bed, error) {
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o700); err != nil {
		return nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	return &bed{evabench: evabench, dir: dir, seed: seed, talk: talk, id: rand.Text()}, nil
}

// tmp is where the commands make their temporary files.
func (b *bed) tmp() string { return filepath.Join(b.dir, "tmp") }

// file writes a file of the bed and gives its path.
func (b *bed) file(name, text string) (string, error) {
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// command is evabench with arguments, in the bed's folder, with temporary files in
// tmp. It and all that it starts carry the bed's mark, by which left finds them.
func (b *bed) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, b.evabench, args...)
	c.Dir = b.dir
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "TMPDIR=") || strings.HasPrefix(v, mark+"=")
	}), "TMPDIR="+b.tmp(), mark+"="+b.id)
	c.Env = append(c.Env, b.env...)
	return c
}

// left says what the bed's commands left: processes that carry its mark or work with
// its folder, and everything in tmp. It does not end or remove them.
func (b *bed) left() ([]string, error) {
	all, err := b.processes()
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(b.tmp(), func(path string, d os.DirEntry, err error) error {
		if err == nil && path != b.tmp() {
			all = append(all, fmt.Sprintf("%s (%s)", path, d.Type()))
		}
		return err
	})
	return all, err
}

// processes says which processes of the bed run, this one not among them.
func (b *bed) processes() ([]string, error) {
	running, err := b.running()
	var all []string
	for _, p := range running {
		all = append(all, p.String())
	}
	return all, err
}

// A process runs for a bed.
type process struct {
	pid     int
	cmdline []string
}

func (p process) String() string {
	return fmt.Sprintf("process %d: %s", p.pid, strings.TrimSpace(strings.Join(p.cmdline, " ")))
}

// running lists the processes of the bed, this one not among them.
func (b *bed) running() ([]process, error) {
	found, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, p := range found {
		pid, err := strconv.Atoi(filepath.Base(p))
		if err != nil {
			return nil, err
		}
		if pid == os.Getpid() {
			continue
		}
		// What has ended meanwhile, or belongs to somebody else, cannot be read.
		cmdline, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(p, "environ"))
		cwd, _ := os.Readlink(filepath.Join(p, "cwd"))
		ours := slices.Contains(strings.Split(string(environ), "\x00"), mark+"="+b.id) ||
			strings.Contains(string(cmdline), b.dir) || cwd == b.dir || strings.HasPrefix(cwd, b.dir+"/")
		if ours {
			all = append(all, process{pid, strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")})
		}
	}
	return all, nil
}
