package nvml

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

// A watch tells of what is added to the card's file after it began, by whomever, in order
// and once; of a lost card it tells that.
func TestFakeXids(t *testing.T) {
	f, gpu := newFake(t, "NVIDIA A100 40GB")
	mustMode(t, f, gpu, true)
	gi, err := f.CreateGPUInstance(gpu, 19, Placement{2, 1})
	if err != nil {
		t.Fatal(err)
	}
	ci, err := f.CreateComputeInstance(gpu, gi.ID, Placement{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.AddXid(gpu, Xid{Number: 43}); err != nil {
		t.Fatal(err)
	}
	watch, err := f.Xids(gpu)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	if x, err := watch.Next(time.Millisecond); !errors.Is(err, ErrTimeout) {
		t.Errorf("before anything was added: %+v, %v, want %v", x, err, ErrTimeout)
	}
	other, err := OpenFake(f.path) // as another process
	if err != nil {
		t.Fatal(err)
	}
	want := []Xid{{Number: 79}, {31, &XidInstance{gi.ID, ci.ID}}, {13, &XidInstance{gi.ID, -1}}}
	for _, x := range want {
		if err := other.AddXid(gpu, x); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range want {
		if got, err := watch.Next(0); err != nil || !reflect.DeepEqual(got, x) {
			t.Errorf("got %+v, %v, want %+v", got, err, x)
		}
	}
	if x, err := watch.Next(0); !errors.Is(err, ErrTimeout) {
		t.Errorf("after the last: %+v, %v, want %v", x, err, ErrTimeout)
	}

	for _, bad := range []XidInstance{{gi.ID + 1, -1}, {gi.ID, ci.ID + 1}} {
		if err := f.AddXid(gpu, Xid{31, &bad}); !errors.Is(err, ErrNotFound) {
			t.Errorf("an error of instance %+v, which is not there: %v, want %v", bad, err, ErrNotFound)
		}
	}
	for _, uuid := range []string{"GPU-none", ci.UUID} {
		if _, err := f.Xids(uuid); !errors.Is(err, ErrNotFound) {
			t.Errorf("watch of %s: %v, want %v", uuid, err, ErrNotFound)
		}
		if err := f.AddXid(uuid, Xid{Number: 1}); !errors.Is(err, ErrNotFound) {
			t.Errorf("an error of %s: %v, want %v", uuid, err, ErrNotFound)
		}
	}
	if err := f.Reboot(); err != nil {
		t.Fatal(err)
	}
	if err := f.AddXid(gpu, Xid{Number: 94}); err != nil {
		t.Fatal(err)
	}
	if got, err := watch.Next(0); err != nil || got.Number != 94 {
		t.Errorf("after a boot: %+v, %v, want 94", got, err)
	}
	if err := f.SetState(gpu, FakeState{Lost: true}); err != nil {
		t.Fatal(err)
	}
	if x, err := watch.Next(0); !errors.Is(err, ErrGPUIsLost) {
		t.Errorf("of a lost GPU: %+v, %v, want %v", x, err, ErrGPUIsLost)
	}
}
