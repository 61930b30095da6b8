// Package mpstest makes the control program of MPS fail at a chosen command.
package mpstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/evabench/evabench/internal/mps"
)

const find = "find"

// ErrInjected is what the error of an injected fault wraps.
var ErrInjected = errors.New("injected fault")

// A Mode is a way to fail.
type Mode int

// The ways to fail.
const (
	Before  Mode = iota // an error instead of the effect
	After               // the effect, and then an error
	Swallow             // neither effect nor error: the command is lost, its answer is empty (Find cannot be lost)
	Hang                // nothing until the context ends, then its error
	Call                // Faulty.Call, and then the command as it is
)

// Modes lists the ways to fail, all but Call.
func Modes() []Mode { return []Mode{Before, After, Swallow, Hang} }

func (m Mode) String() string {
	return [...]string{"before", "after", "swallow", "hang", "call"}[m]
}

// Faulty is a program that fails at one command. The commands are Start, Ask, Find
// and Signal, counted together from 1. It is safe for concurrent use; the fields
// are set before the first command.
type Faulty struct {
	Program mps.Program
	// At is the number of the command that fails; 0 is none. Only, if not nil,
	// chooses which commands are counted: it gets what Commands would list.
	At   int
	Only func(command string) bool
	Mode Mode
	// Call is called, with the command, at the one of mode Call or Hang; nil is
	// nothing. With Hang it is the place to end the context.
	Call func(command string)

	mu       sync.Mutex
	count    int
	commands []string
}

// Count is how many commands were counted.
func (f *Faulty) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// Commands lists all commands in order: "start", "find", "signal" and for
// questions what was asked.
func (f *Faulty) Commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.commands...)
}

// next counts a command and says whether it is the one that fails.
func (f *Faulty) next(command string) (int, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commands = append(f.commands, command)
	if f.Only != nil && !f.Only(command) {
		return 0, false
	}
	f.count++
	return f.count, f.count == f.At
}

// do runs a command, or fails it.
func (f *Faulty) do(ctx context.Context, command string, run func() error) error {
	k, now := f.next(command)
	if !now {
		return run()
	}
	fault := fmt.Errorf("command %d, %s: %w", k, command, ErrInjected)
	switch f.Mode {
	case Before:
		return fault
	case After:
		return errors.Join(fault, run())
	case Swallow:
		if command == find {
			return run()
		}
		return nil
	case Hang:
		if f.Call != nil {
			f.Call(command)
		}
		<-ctx.Done()
		return fmt.Errorf("%w: %w", fault, ctx.Err())
	}
	if f.Call != nil {
		f.Call(command)
	}
	return run()
}

// Start is [mps.Program]'s.
func (f *Faulty) Start(ctx context.Context, env []string, uid int) error {
	return f.do(ctx, "start", func() error { return f.Program.Start(ctx, env, uid) })
}

// Ask is [mps.Program]'s.
func (f *Faulty) Ask(ctx context.Context, pipe, command string) (said string, err error) {
	err = f.do(ctx, command, func() (err error) {
		said, err = f.Program.Ask(ctx, pipe, command)
		return err
	})
	if err != nil {
		said = ""
	}
	return said, err
}

// Find is [mps.Program]'s.
func (f *Faulty) Find(ctx context.Context) (found []mps.Process, err error) {
	err = f.do(ctx, find, func() (err error) {
		found, err = f.Program.Find(ctx)
		return err
	})
	if err != nil {
		found = nil
	}
	return found, err
}

// Signal is [mps.Signaller]'s.
func (f *Faulty) Signal(ctx context.Context, p mps.Process, signal syscall.Signal) error {
	return f.do(ctx, "signal", func() error {
		s, ok := f.Program.(mps.Signaller)
		if !ok {
			return errors.New("this program cannot send signals")
		}
		return s.Signal(ctx, p, signal)
	})
}
