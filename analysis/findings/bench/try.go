package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/evabench/evabench/analysis"
)

// A verdict is what was said of one run: the rules of its top findings in their order,
// and of all that fired.
type verdict struct{ top, fired []string }

func (v verdict) String() string {
	if len(v.fired) == 0 {
		return "nothing"
	}
	text := strings.Join(v.top, ", ")
	if len(v.fired) > len(v.top) {
		text += fmt.Sprintf(" (fired: %s)", strings.Join(v.fired, ", "))
	}
	return text
}

// runLimit bounds one run on the clock.
const runLimit = 2 * time.Minute

// noMeasurement is evabench's exit status where no step measured the server.
const noMeasurement = 4

// try makes one run and reads what it said.
func try(ctx context.Context, o options, d drawn, name string) (v verdict, err error) {
	dir := o.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "findings-bench-"); err != nil {
			return v, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return v, err
	}
	file, out := filepath.Join(dir, name+".yaml"), filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(d.scenario(o.scale)), 0o644); err != nil {
		return v, err
	}
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	command := exec.CommandContext(ctx, o.evabench, "sweep", file, "--yes", "--no-selftest", "--out", out, "--state-dir", dir)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
	command.WaitDelay = 10 * time.Second
	var said bytes.Buffer
	command.Stderr = &said
	if err := startFirst(command); err != nil {
		return v, err
	}
	ended := make(chan struct{})
	throttled := make(chan error, 1)
	go func() { throttled <- throttle(command.Process, d.stopped, ended) }()
	err = command.Wait()
	close(ended)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == noMeasurement {
		err = nil
	}
	if err = errors.Join(err, <-throttled); err != nil {
		return v, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return read(filepath.Join(out, "summary.json"))
}

// throttlePeriod is the one of Linux's CFS bandwidth control, by which containers are held
// to a share of a processor: they run, and then stand until the period is over.
const throttlePeriod = 100 * time.Millisecond

// throttle stops a process for a share of each period until it has ended.
func throttle(p *os.Process, share float64, ended <-chan struct{}) error {
	if share == 0 {
		return nil
	}
	stand := time.Duration(share * float64(throttlePeriod))
	for {
		for _, turn := range []struct {
			signal syscall.Signal
			span   time.Duration
		}{{syscall.SIGCONT, throttlePeriod - stand}, {syscall.SIGSTOP, stand}} {
			if err := p.Signal(turn.signal); errors.Is(err, os.ErrProcessDone) {
				return nil
			} else if err != nil {
				return fmt.Errorf("throttle the load generator: %w", err)
			}
			select {
			case <-ended:
				return nil
			case <-time.After(turn.span):
			}
		}
	}
}

// read takes the findings from a run's summary.
func read(path string) (v verdict, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return v, err
	}
	var summary struct {
		Findings *analysis.Findings `json:"findings"`
	}
	if err := json.Unmarshal(data, &summary); err != nil {
		return v, fmt.Errorf("read %s: %w", path, err)
	}
	if summary.Findings == nil {
		return v, fmt.Errorf("%s has no findings", path)
	}
	for _, f := range summary.Findings.Top {
		v.top = append(v.top, f.Rule)
	}
	for _, rules := range summary.Findings.Fired {
		v.fired = append(v.fired, rules...)
	}
	return v, nil
}
