// Command evabench tells what an NVIDIA server sustains for Vision and Agent
// load under each sharing of its GPUs.
//
// It switches the server through a scenario's configurations, drives stepwise
// load at each, puts the server back, and leaves one run directory from which
// every report is made. Run "evabench help" for its commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/evabench/evabench/internal/mps/mpsfake"
	"github.com/evabench/evabench/runner"
)

func main() {
	if mpsfake.Called() { // the simulator runs this program by another name
		os.Exit(mpsfake.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	half := new(halfChanged)
	people := &talk{file: os.Stderr}
	catch(cancel, half, people)
	os.Exit(status(run(context.WithValue(ctx, halfChangedKey{}, half), os.Args[1:], os.Stdin, os.Stdout, people), people))
}

// catch makes the first signal stop the command in order; a second SIGINT or
// SIGTERM ends it at once. A SIGHUP never does, nor counts as the first: an ended
// terminal hangs up twice, by its shell and by the kernel, and the end of a session
// or of the machine terminates and hangs up. Signals that whoever started us ignores
// (nohup) stay ignored.
func catch(cancel context.CancelCauseFunc, half *halfChanged, people io.Writer) {
	// A reader of our output that goes away must not end us with a server
	// half changed: a write fails instead.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	asked, hungUp := make(chan os.Signal, 1), make(chan os.Signal, 1)
	for s, signals := range map[os.Signal]chan os.Signal{os.Interrupt: asked, syscall.SIGTERM: asked, syscall.SIGHUP: hungUp} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	heed := func(signals chan os.Signal) {
		s := <-signals
		cancel(errInterrupted) // before any talk: the terminal may be stopped
		if signals == asked {
			signal.Stop(asked)
		}
		fmt.Fprintf(people, "evabench: %s: stopping and putting the server back; a second SIGINT or SIGTERM leaves it as it is%s\n", s, thenRun(half))
	}
	go heed(asked)
	go heed(hungUp)
}

// The exit statuses, as the README lists them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotMet      = 3
	exitNoValid     = 4
	exitInterrupted = 130
)

var (
	// errInterrupted is the cause of a context that a signal ended.
	errInterrupted = errors.New("interrupted")
	// errNoValid says that a run ended without one valid measurement.
	errNoValid = errors.New("no valid measurement")
)

// usageError is a fault in what the user wrote: flags, arguments, or anything
// that "scenario check" can see.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// status prints what ended the command and gives its exit status.
func status(err error, stderr io.Writer) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(stderr, "evabench: "+plain(told(err)))
	var usage *usageError
	switch {
	case errors.Is(err, runner.ErrNotRestored):
		return exitFailed // whatever else happened: the server is not as it was
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errNoValid):
		return exitNoValid
	case errors.Is(err, errNotMet):
		return exitNotMet
	default:
		return exitFailed
	}
}

// told gives a fault's text, a line for each of the faults that it joins, none
// of them twice.
func told(err error) string {
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line != "" && (line[0] == ' ' || !slices.Contains(lines, line)) { // what is indented belongs to the line above
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
