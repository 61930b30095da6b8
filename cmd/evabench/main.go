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
	"syscall"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s := <-signals
		fmt.Fprintf(os.Stderr, "evabench: %s: stopping and putting the server back; a second signal leaves it as it is\n", s)
		signal.Stop(signals)
		cancel(errInterrupted)
	}()
	os.Exit(status(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr), os.Stderr))
}

// The exit statuses, as the README lists them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
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
	var usage *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(stderr, "evabench: "+oneLine(err))
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "evabench: "+err.Error())
		return exitUsage
	case errors.Is(err, errNoValid):
		fmt.Fprintln(stderr, "evabench: "+err.Error())
		return exitNoValid
	default:
		fmt.Fprintln(stderr, "evabench: "+err.Error())
		return exitFailed
	}
}

// oneLine joins the texts of joined errors, which print a line each.
func oneLine(err error) string {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return err.Error()
	}
	seen := map[string]bool{}
	text := ""
	for _, e := range joined.Unwrap() {
		if seen[e.Error()] {
			continue
		}
		seen[e.Error()] = true
		if text != "" {
			text += "; "
		}
		text += e.Error()
	}
	return text
}
