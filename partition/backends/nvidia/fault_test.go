package nvidia

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/internal/mps/mpstest"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/internal/nvml/nvmltest"
)

// long has the tests of faults and kills go through all of their cases.
var long = flag.Bool("long", false, "try every fault and every kill at every call, instead of a fixed share")

// A fault is one way in which a sweep can go wrong.
type fault struct {
	name string
	nvml nvmltest.Fault // its Call is set for each try
	// hang has the NVML call not come back while the sweep runs.
	hang bool
	// mps is how an MPS command fails, if isMPS.
	mps   mpstest.Mode
	isMPS bool
	// slices is how setting or reading a time slice fails.
	slices string
}

var faults = []fault{
	{name: "error before the effect", nvml: nvmltest.Fault{Return: nvml.ErrUnknown, Times: 1}},
	{name: "error after the effect", nvml: nvmltest.Fault{Return: nvml.ErrUnknown, Times: 1, After: true}},
	{name: "error for ever", nvml: nvmltest.Fault{Return: nvml.ErrGPUIsLost}},
	{name: "IN_USE once", nvml: nvmltest.Fault{Return: nvml.ErrInUse, Times: 1}},
	{name: "IN_USE for ever", nvml: nvmltest.Fault{Return: nvml.ErrInUse}},
	{name: "mode pending once", nvml: nvmltest.Fault{Pending: true, Times: 1, Only: []string{"SetMIGMode"}}},
	{name: "mode pending for ever", nvml: nvmltest.Fault{Pending: true, Only: []string{"SetMIGMode"}}},
	{name: "call does not come back", hang: true, nvml: nvmltest.Fault{Times: 1}},
	{name: "call comes back late", hang: true, nvml: nvmltest.Fault{Times: 1, After: true}},
	{name: "MPS error before the effect", isMPS: true, mps: mpstest.Before},
	{name: "MPS error after the effect", isMPS: true, mps: mpstest.After},
	{name: "MPS command lost", isMPS: true, mps: mpstest.Swallow},
	{name: "MPS command hangs", isMPS: true, mps: mpstest.Hang},
	{name: "time slice error before the effect", slices: "before"},
	{name: "time slice error after the effect", slices: "after"},
}

// faultySlices fails at one call.
type faultySlices struct {
	slicesFile
	at, calls int
	after     bool
}

func (f *faultySlices) call(do func() error) error {
	f.calls++
	if f.calls != f.at {
		return do()
	}
	err := fmt.Errorf("call %d of nvidia-smi: injected fault", f.calls)
	if f.after {
		err = errors.Join(err, do())
	}
	return err
}

func (f *faultySlices) TimeSlice(ctx context.Context, gpu string) (slice string, err error) {
	err = f.call(func() (err error) {
		slice, err = f.slicesFile.TimeSlice(ctx, gpu)
		return err
	})
	return slice, err
}

func (f *faultySlices) SetTimeSlice(ctx context.Context, gpu, slice string) error {
	return f.call(func() error { return f.slicesFile.SetTimeSlice(ctx, gpu, slice) })
}

// A tried is the server of one try with what counts and fails its calls.
type tried struct {
	*rig
	all    string // of the server, before
	nvml   *nvmltest.Faulty
	mps    *mpstest.Faulty
	slices *faultySlices
	back   chan struct{} // closed, it lets a call that hangs come back
}

// start makes the server of a drill, with a fault at call k; 0 is none.
func (d drill) start(t testing.TB, f fault, k int) *tried {
	r := newRig(t, d.cards...)
	d.prepare(r)
	try := &tried{rig: r, all: r.all(), back: make(chan struct{})}
	place := f.nvml
	if place.Call = k; f.isMPS || f.slices != "" {
		place.Call = 0
	}
	if f.hang {
		place.Do = func() { <-try.back }
	}
	try.nvml = nvmltest.New(r.fake, place)
	try.mps = &mpstest.Faulty{Program: r.program, Mode: f.mps}
	if f.isMPS {
		try.mps.At = k
	}
	try.slices = &faultySlices{slicesFile: r.slices.(slicesFile), after: f.slices == "after"}
	if f.slices != "" {
		try.slices.at = k
	}
	return try
}

// run sweeps until the fault stops it, or not, and puts back by the journal.
func (d drill) run(t testing.TB, try *tried) (byJournal bool) {
	t.Helper()
	b := try.over(Options{API: try.nvml, MPS: try.daemons(try.mps), TimeSlices: try.slices})
	err := d.sweep(t.Context(), b, try.dir)
	close(try.back)
	synctest.Wait()
	byJournal, again := try.recover()
	if again != nil {
		t.Errorf("the sweep gave %v, and the restore by the journal %v", err, again)
	}
	if err == nil && byJournal {
		t.Error("the sweep was said to have gone well, but left something to restore")
	}
	if now := try.rig.all(); now != try.all {
		t.Errorf("the sweep gave %v\nrestored to\n%s, was\n%s", err, now, try.all)
	}
	return byJournal
}

// calls counts the calls of a sweep without a fault.
func (d drill) calls(t *testing.T) (inAll, setMode, commands, smi int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		try := d.start(t, fault{}, 0)
		if d.run(t, try) || t.Failed() {
			t.Fatal("a sweep without a fault left something")
		}
		for _, call := range try.nvml.Calls() {
			inAll++
			if call == "SetMIGMode" {
				setMode++
			}
		}
		commands, smi = try.mps.Count(), try.slices.calls
	})
	return inAll, setMode, commands, smi
}

// ciShare is of how many tries one is made without -long. Which one differs from fault to
// fault, so that every call meets some faults.
const ciShare = 11

// TestFaultEverywhere lets every NVML call, MPS command and run of nvidia-smi of a sweep
// fail in every way. After each, the next process finds the server as it was or puts it
// back by the journal.
func TestFaultEverywhere(t *testing.T) {
	for n, d := range drills {
		t.Run(d.cards[0], func(t *testing.T) {
			inAll, setMode, commands, smi := d.calls(t)
			var tried, restored, left atomic.Int64
			t.Cleanup(func() {
				share := "all of them"
				if !*long {
					share = fmt.Sprintf("one in %d; -long tries all", ciShare)
				}
				t.Logf("%d NVML calls (%d of SetMIGMode), %d MPS commands, %d runs of nvidia-smi; faults tried %d, restored %d, of them %d by the journal (%s)",
					inAll, setMode, commands, smi, tried.Load(), restored.Load(), left.Load(), share)
				if tried.Load() < 100 || tried.Load() != restored.Load() || left.Load() == 0 {
					t.Error("that is too few")
				}
			})
			for i, f := range faults {
				calls := inAll
				switch {
				case f.isMPS:
					calls = commands
				case f.slices != "":
					calls = smi
				case f.nvml.Only != nil:
					calls = setMode
				}
				t.Run(f.name, func(t *testing.T) {
					t.Parallel()
					for k := 1; k <= calls && !t.Failed(); k++ {
						if !*long && calls > 2*ciShare && (k+i+n)%ciShare != 0 {
							continue
						}
						tried.Add(1)
						synctest.Test(t, func(t *testing.T) {
							if d.run(t, d.start(t, f, k)) {
								left.Add(1)
							}
							if t.Failed() {
								t.Errorf("fault %q at call %d of %d", f.name, k, calls)
							} else {
								restored.Add(1)
							}
						})
					}
				})
			}
		})
	}
}
