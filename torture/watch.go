package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// peaks is what a process had at its worst, as far as it was looked at.
type peaks struct {
	memory  int64 // bytes of it that were in memory, by the kernel's own mark
	sockets int   // open at once
}

// watched runs a command to its end, and lets look see it every few milliseconds. It gives
// what the command said on both outputs.
func watched(c *exec.Cmd, look func(pid int)) (said string, err error) {
	var text strings.Builder
	c.Stdout, c.Stderr = &text, &text
	if err := c.Start(); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return text.String(), err
		case <-tick.C:
			look(c.Process.Pid)
		}
	}
}

// look reads once. A process that has just ended cannot be read any more.
func (p *peaks) look(pid int) {
	at := fmt.Sprintf("/proc/%d", pid)
	status, _ := os.ReadFile(filepath.Join(at, "status"))
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
			if err == nil {
				p.memory = max(p.memory, kilobytes<<10)
			}
		}
	}
	open, _ := os.ReadDir(filepath.Join(at, "fd"))
	sockets := 0
	for _, f := range open {
		if to, err := os.Readlink(filepath.Join(at, "fd", f.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			sockets++
		}
	}
	p.sockets = max(p.sockets, sockets)
}

// processors is what of this machine's processors was used by a moment, in seconds of one.
type processors struct {
	at         time.Time
	busy, ours float64 // by all; by this process and those that it waited for
	online     int
}

// readProcessors reads them; what cannot be read is 0.
func readProcessors() processors {
	p := processors{at: time.Now()}
	stat, _ := os.ReadFile("/proc/stat")
	for line := range strings.Lines(string(stat)) {
		fields := strings.Fields(line)
		if len(fields) < 8 || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		if fields[0] != "cpu" {
			p.online++
			continue
		}
		// man 5 proc: user nice system idle iowait irq softirq, in hundredths of a second.
		for i, f := range fields[1:8] {
			if ticks, err := strconv.ParseFloat(f, 64); err == nil && i != 3 && i != 4 {
				p.busy += ticks / 100
			}
		}
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			p.ours += time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
		}
	}
	return p
}

// since gives the share of all processors that others used since a moment before; 0 where
// it is not known.
func (p processors) since(before processors) float64 {
	all := p.at.Sub(before.at).Seconds() * float64(p.online)
	if all <= 0 {
		return 0
	}
	return max(0, (p.busy-before.busy-(p.ours-before.ours))/all)
}
