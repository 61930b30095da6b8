package mps

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are what the daemons of one program have in common.
type Options struct {
	// Dir is the folder below which daemons have their folders. It is made if it
	// is missing, must be no link, and it and its parents must be root's or ours and
	// not writable by others (a parent may be, if it is sticky). Keep it short: the
	// path of a socket is limited to 107 bytes.
	Dir string
	// UID is the user whose clients are served, and as whom the daemons run, with
	// all its groups: the user of the workers, not ours. 0 is root. The folders are
	// its own, with mode 0700: only it and root reach the daemon, and a client of
	// any other user runs without MPS and says nothing. (MPS serves one user at a
	// time in any case.) With another than ours, Start needs root, and each parent
	// of Dir must let others pass.
	UID int
	// Ready bounds the time until a new daemon answers, Ask each question, and
	// End each step of ending a daemon. 0 means 10 s, 10 s and 30 s.
	Ready, Ask, End time.Duration
	// Resolve gives the UUID of a device that another's CUDA_VISIBLE_DEVICES names
	// otherwise: by an index or a part of the UUID. It gets the daemon's
	// environment, where CUDA_DEVICE_ORDER says what an index means. Nil means that
	// such devices cannot be told.
	Resolve func(name string, env map[string]string) (uuid string, err error)
}

// Daemons starts, asks and ends MPS control daemons, one for each device. What
// runs is read from the host each time, so that daemons that an earlier life of
// this program left are known by their folders. Make one with [New]; it is safe
// for concurrent use, and calls for one device wait for each other.
type Daemons struct {
	program Program
	options Options

	mu   sync.Mutex
	held map[string]chan struct{} // by device: has an element while a call works on it
	warn map[string][]string      // by device: see Warnings
}

// New gives the daemons that a program can run. It does nothing yet.
func New(p Program, o Options) *Daemons {
	o.Ready, o.Ask, o.End = cmp.Or(o.Ready, 10*time.Second), cmp.Or(o.Ask, 10*time.Second), cmp.Or(o.End, 30*time.Second)
	return &Daemons{program: p, options: o, held: map[string]chan struct{}{}, warn: map[string][]string{}}
}

// A BusyError refuses to start a daemon on a device that has one already, or to end
// a daemon that has a keeper: see [Found.Keeper].
type BusyError struct {
	Device string // on which one was to be started; empty if Daemon was to be ended
	Daemon Found
	UID    int // the user who was to be served
}

func (e *BusyError) Error() string {
	end := cmp.Or(e.Daemon.Keeper(), "end that one first")
	if e.Device == "" {
		return fmt.Sprintf("%s is not ours to end: %s", e.Daemon, end)
	}
	reason := "two would take clients from each other; " + end
	if e.Daemon.UID != e.UID {
		reason = fmt.Sprintf("clients of user %d would wait behind those of user %d, without an error; %s", e.UID, e.Daemon.UID, end)
	}
	return fmt.Sprintf("device %s has one already: %s: %s", e.Device, e.Daemon, reason)
}

// A ClientsError refuses to end a daemon that has clients.
type ClientsError struct {
	Daemon Found
	PIDs   []int
}

func (e *ClientsError) Error() string {
	return fmt.Sprintf("%s has clients, processes %s: end them first", e.Daemon, strings.Trim(fmt.Sprint(e.PIDs), "[]"))
}

// homeBytes is how much of a device's hash names its folder.
const homeBytes = 6

// home is the folder of a device's daemon: short, since socket paths are.
func (d *Daemons) home(uuid string) string {
	sum := sha256.Sum256([]byte(uuid))
	return filepath.Join(d.options.Dir, hex.EncodeToString(sum[:homeBytes]))
}

func (d *Daemons) pipe(uuid string) string { return filepath.Join(d.home(uuid), "pipe") }
func (d *Daemons) log(uuid string) string  { return filepath.Join(d.home(uuid), "log") }

// ours lists our daemons of a device: one, or none; for a moment of its start two.
func (d *Daemons) ours(ctx context.Context, uuid string) ([]Found, error) {
	all, err := d.list(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(f Found) bool { return f.Elsewhere != "" || f.Pipe != d.pipe(uuid) }), nil
}

// ask puts one question, within its time.
func (d *Daemons) ask(ctx context.Context, pipe, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, d.options.Ask)
	defer cancel()
	return d.program.Ask(ctx, pipe, command)
}

// hold waits until no other call works on a device.
func (d *Daemons) hold(ctx context.Context, uuid string) (release func(), err error) {
	began := time.Now()
	d.mu.Lock()
	held := d.held[uuid]
	if held == nil {
		held = make(chan struct{}, 1)
		d.held[uuid] = held
	}
	d.mu.Unlock()
	select {
	case held <- struct{}{}:
		return func() { <-held }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s, while another call worked on it: %w", over(ctx, began), ctx.Err())
	}
}

// over says in words how a context has ended that had so much time since then.
func over(ctx context.Context, began time.Time) string {
	deadline, limited := ctx.Deadline()
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !limited {
		return "interrupted"
	}
	return fmt.Sprintf("not done within %v", deadline.Sub(began).Round(time.Millisecond))
}

// until tries again, with growing pauses, until f says that it is done, its error
// is final, or the time is over; then it gives f's last error.
func until(ctx context.Context, limit time.Duration, f func(context.Context) (done bool, err error)) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		done, err := f(ctx)
		if done {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			if err == nil || errors.Is(err, ctx.Err()) {
				return fmt.Errorf("%s: %w", over(ctx, began), cmp.Or(err, ctx.Err()))
			}
			return fmt.Errorf("%s (%w): %w", over(ctx, began), ctx.Err(), err)
		case <-timer.C:
		}
	}
}
