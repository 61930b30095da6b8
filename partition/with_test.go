package partition

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/device"
)

// A scripted backend does as it is told and notes what it was asked.
type scripted struct {
	apply, restore error
	journal        *Journal // must have the state while anything is done
	trace          func(Event)
	did            []string
}

func (b *scripted) Inspect(context.Context, []string) (State, error) { return State{}, nil }

func (b *scripted) Trace(f func(Event)) { b.trace = f }

func (b *scripted) Apply(_ context.Context, p Plan) ([]device.Device, error) {
	b.note("apply")
	return []device.Device{{UUID: p.Layout.String()}}, b.apply
}

func (b *scripted) Restore(ctx context.Context, s State) error {
	b.note("restore " + s.GPUs[0].UUID)
	if ctx.Err() != nil {
		b.did = append(b.did, "with an ended context")
	}
	if _, limited := ctx.Deadline(); !limited {
		b.did = append(b.did, "without a time limit")
	}
	return b.restore
}

func (b *scripted) note(what string) {
	b.did = append(b.did, what)
	if b.journal == nil {
		return
	}
	if _, pending, err := b.journal.Pending(); !pending || err != nil {
		b.did = append(b.did, "without a journal")
	}
	b.trace(Event{Step: what})
}

func TestWith(t *testing.T) {
	fault, bad := errors.New("fault"), errors.New("bad")
	plan := Plan{Before: State{GPUs: []GPU{{UUID: "GPU-a"}}}, Layout: mustParse(t, "off")}
	for _, tt := range []struct {
		name              string
		apply, f, restore error
		cancel            bool // while f runs
		did               string
		is                []error // what the error wraps; none: no error
		pending           bool
	}{
		{name: "success", did: "apply, f, restore GPU-a"},
		{name: "failure", f: fault, did: "apply, f, restore GPU-a", is: []error{fault}},
		{name: "interrupt", f: context.Canceled, cancel: true, did: "apply, f, restore GPU-a", is: []error{context.Canceled}},
		{name: "half applied", apply: fault, did: "apply, restore GPU-a", is: []error{fault}},
		{name: "refused", apply: fmt.Errorf("busy: %w", errors.Join(fault, ErrNothingChanged)), did: "apply", is: []error{fault, ErrNothingChanged}},
		{name: "not restored", restore: bad, did: "apply, f, restore GPU-a", is: []error{bad, ErrNotRestored}, pending: true},
		{name: "both", apply: fault, restore: bad, did: "apply, restore GPU-a", is: []error{fault, bad, ErrNotRestored}, pending: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := open(t, t.TempDir())
			b := &scripted{apply: tt.apply, restore: tt.restore, journal: j}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := With(ctx, Session{Backend: b, Journal: j, RestoreWithin: time.Minute}, plan, func(d []device.Device) error {
				b.did = append(b.did, "f")
				if len(d) != 1 || d[0].UUID != "off" {
					t.Errorf("f got %v, want the device", d)
				}
				if tt.cancel {
					cancel()
				}
				return tt.f
			})
			if got := strings.Join(b.did, ", "); got != tt.did {
				t.Errorf("did %s; want %s", got, tt.did)
			}
			if (err == nil) != (tt.is == nil) {
				t.Errorf("error %v, want one of %v", err, tt.is)
			}
			for _, want := range tt.is {
				if !errors.Is(err, want) {
					t.Errorf("error %v does not wrap %v", err, want)
				}
			}
			if tt.restore == nil && errors.Is(err, ErrNotRestored) {
				t.Errorf("restored, but %v", err)
			}
			if _, pending, err := j.Pending(); err != nil || pending != tt.pending {
				t.Errorf("pending %t, %v; want %t", pending, err, tt.pending)
			}
			want := strings.ReplaceAll(tt.did, "f, ", "")
			if got := strings.Join(steps(t, j), ", "); got != want {
				t.Errorf("trace %s; want %s", got, want)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestWithPanic: the server is put back also when f panics.
func TestWithPanic(t *testing.T) {
	b := &scripted{}
	defer func() {
		if recover() == nil {
			t.Error("the panic was swallowed")
		}
		if got := strings.Join(b.did, ", "); got != "apply, restore GPU-a" {
			t.Errorf("did %s", got)
		}
	}()
	_ = With(t.Context(), Session{Backend: b, RestoreWithin: time.Minute}, Plan{Before: State{GPUs: []GPU{{UUID: "GPU-a"}}}},
		func([]device.Device) error { panic("f") })
}

// TestWithChangesNothing: what cannot be put back, or was ended, is not begun.
func TestWithChangesNothing(t *testing.T) {
	j := open(t, t.TempDir())
	begin(t, j) // pending
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, try := range map[string]struct {
		ctx     context.Context
		session Session
		want    string
	}{
		"no time": {t.Context(), Session{}, "no time"},
		"ended":   {ended, Session{RestoreWithin: time.Minute}, "canceled"},
		"pending": {t.Context(), Session{RestoreWithin: time.Minute, Journal: j}, "not restored"},
	} {
		b := &scripted{}
		try.session.Backend = b
		err := With(try.ctx, try.session, Plan{}, func([]device.Device) error { return nil })
		if err == nil || !strings.Contains(err.Error(), try.want) || b.did != nil {
			t.Errorf("%s: did %q, %v; want nothing done and %q", name, b.did, err, try.want)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
