package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// endingServices are swept by the classes of bad ends beside the detector: another service of
// the simulated server, and one that is a process with a child of its own.
const endingServices = `  agent:
    role: agent
    launcher: sim
    endpoint: openai-chat
    models: {qwen3-vl-8b: {}}
    workload:
      kind: agent
      model: qwen3-vl-8b
      inspect: 1
      max_tokens: 4
      images: {width: 320, height: 180, kilobytes: 20}
    scrape: [vllm]
    load: {arrivals: poisson, levels: [1]}
  door:
    role: vision
    launcher: {kind: process, argv: ["WORKER", torture-worker, "{port}"], instances: 1, stop: {grace: 1s}}
    endpoint: detect-http
    models: {detector: {}}
    workload: {kind: vision, images: {width: 64, height: 64, kilobytes: 3, count: 2}, classes: [{model: detector}]}
    load: {arrivals: constant, levels: [5]}
`

// sweepLimit bounds one sweep on the clock.
const sweepLimit = 5 * time.Minute

// A sweeper sweeps the scenario in a bed of its own, into one run directory, over
// simulated GPUs that its bed keeps.
type sweeper struct {
	*bed
	scenario string
}

// newSweeper makes the bed of one fault below a class's.
func newSweeper(b *bed, name string) (*sweeper, error) {
	own, err := newBed(b.evabench, filepath.Join(b.dir, name), b.seed, b.talk)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// By a path in the bed, so that a worker's command line shows whose it is.
	worker := filepath.Join(own.dir, "worker")
	if err := os.Symlink(self, worker); err != nil {
		return nil, err
	}
	s := &sweeper{bed: own}
	s.scenario, err = own.file("ends.yaml", swept{name: "ends", scale: 10, warmup: "1s", window: "6s", replicates: 2,
		services: strings.Replace(endingServices, "WORKER", worker, 1)}.yaml())
	return s, err
}

// run is the run directory, gpus the folder of the simulated GPUs.
func (s *sweeper) run() string  { return filepath.Join(s.dir, "run") }
func (s *sweeper) gpus() string { return filepath.Join(s.dir, "gpus") }

// sweep is the command that begins the run.
func (s *sweeper) sweep() []string {
	return []string{"sweep", s.scenario, "--yes", "--no-selftest", "--out", s.run(), "--sim-dir", s.gpus()}
}

// resume is the command that goes on with it.
func (s *sweeper) resume() []string {
	return []string{"sweep", "--resume", s.run(), "--yes", "--sim-dir", s.gpus()}
}

// again goes on with the run, or begins it if it was ended before it had begun.
func (s *sweeper) again() ([]string, error) {
	if _, err := os.Stat(filepath.Join(s.run(), "environment.json")); err == nil {
		return s.resume(), nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// Not one file of it was measured.
	return s.sweep(), os.RemoveAll(s.run())
}

// A going is a command that runs.
type going struct {
	cmd   *exec.Cmd
	began time.Time
	out   io.Closer // our end of what it says

	mu    sync.Mutex
	said  bytes.Buffer
	lines chan struct{} // one for each line, until nobody reads
	ended chan struct{} // closed when it and its talk have ended
	state *os.ProcessState
}

// start starts a command in a process group of its own, as a terminal does.
func (s *sweeper) start(ctx context.Context, args []string) (*going, error) {
	g := &going{cmd: s.command(ctx, args...), began: time.Now(), lines: make(chan struct{}, 1<<16), ended: make(chan struct{})}
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	g.cmd.Stdout, g.cmd.Stderr, g.out = theirs, theirs, ours
	err = g.cmd.Start()
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, err
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		g.listen(ours)
	}()
	go func() {
		defer close(g.ended)
		_ = g.cmd.Wait() // the state tells
		g.state = g.cmd.ProcessState
		// What it left may hold the pipe for long.
		_ = ours.SetReadDeadline(time.Now().Add(time.Second))
		<-read
		ours.Close()
	}()
	return g, nil
}

// listen keeps what it says, and counts the lines.
func (g *going) listen(r io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		g.mu.Lock()
		g.said.Write(buf[:n])
		g.mu.Unlock()
		for range bytes.Count(buf[:n], []byte("\n")) {
			select {
			case g.lines <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// text is what it said so far.
func (g *going) text() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.said.String()
}

// end is the end of what it said, for a fault.
func (g *going) end() string {
	text := strings.TrimSpace(g.text())
	return strings.ReplaceAll(text[max(0, len(text)-700):], "\n", " | ")
}

// wait waits for the end, but not longer than limit, and says how it ended.
func (g *going) wait(limit time.Duration) (ended bool) {
	select {
	case <-g.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

// how says in words how it ended.
func (g *going) how() string {
	if g.state == nil {
		return "it did not end"
	}
	return g.state.String()
}

// exited reports whether it ended by itself with one of the statuses.
func (g *going) exited(statuses ...int) bool {
	if g.state == nil || !g.state.Exited() {
		return false
	}
	for _, s := range statuses {
		if g.state.ExitCode() == s {
			return true
		}
	}
	return false
}

// carryOut runs a command to its end and asks for one of the statuses.
func (s *sweeper) carryOut(ctx context.Context, args []string, statuses ...int) (*going, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepLimit)
	defer cancel()
	g, err := s.start(ctx, args)
	if err != nil {
		return nil, err
	}
	<-g.ended
	if !g.exited(statuses...) {
		return g, fmt.Errorf("evabench %s: %s, want %v: %s", strings.Join(args[:2], " "), g.how(), statuses, g.end())
	}
	if said := g.text(); strings.Contains(said, "panic:") || strings.Contains(said, "goroutine ") {
		return g, fmt.Errorf("evabench %s panicked: %s", strings.Join(args[:2], " "), g.end())
	}
	return g, nil
}
