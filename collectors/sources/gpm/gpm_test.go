package gpm

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/results"
)

// A script is a device's sampler whose answers a test sets.
type script struct {
	values []Value
	err    error
	open   error
	opens  int
	closed int
}

func (s *script) device(uuid string) Device {
	return Device{UUID: uuid, GPU: uuid, Label: uuid, Open: func() (Sampler, error) {
		s.opens++
		if s.open != nil {
			return nil, s.open
		}
		return s, nil
	}}
}

func (s *script) Sample() ([]Value, error) { return s.values, s.err }

func (s *script) Close() error { s.closed++; return nil }

func collectorOf(t *testing.T, devices ...Device) collectors.Collector {
	t.Helper()
	c, err := New(devices).Collector(collectors.Target{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConformance(t *testing.T) {
	s := &script{values: []Value{
		{Name: "span_seconds", Value: 1, Unit: "s"}, {Name: "sm_active_ratio", Value: 0.5, Unit: "ratio"},
		{Name: "pcie_rx_bytes_per_second", Value: 1 << 20, Unit: "B/s"},
		{Name: "gr0_ctxsw_requests", Unit: "1", Refused: 3},
	}}
	t.Run("local", func(t *testing.T) { sourcetest.Local(t, New([]Device{s.device("GPU-1"), s.device("GPU-2")})) })
	if s.closed != 2 {
		t.Errorf("%d samplers were closed, want 2", s.closed)
	}
	if _, err := New(nil).Collector(collectors.Target{}); err == nil {
		t.Error("no devices: no error")
	}
}

// Each device is the subject of its readings, a refused value is told with its code
// once, and again when that changes.
func TestReadings(t *testing.T) {
	whole := &script{values: []Value{{Name: "a", Value: 0.25, Unit: "ratio"}, {Name: "b", Refused: 3}, {Name: "c", Value: 0, Unit: "1"}}}
	part := &script{values: []Value{{Name: "a", Value: 1, Unit: "ratio"}}}
	slice := part.device("MIG-2")
	slice.GPU, slice.MIG, slice.Profile = "GPU-3", true, "1g.24gb"
	c := collectorOf(t, whole.device("GPU-1"), slice)
	gpu := results.Subject{Kind: results.SubjectGPU, ID: "GPU-1"}
	instance := results.Subject{Kind: results.SubjectInstance, ID: "MIG-2", GPU: "GPU-3", Detail: "1g.24gb"}
	values := []collectors.Reading{
		{Subject: gpu, Series: "gpm:a", Value: 0.25, Unit: "ratio"}, {Subject: gpu, Series: "gpm:c", Value: 0, Unit: "1"},
		{Subject: instance, Series: "gpm:a", Value: 1, Unit: "ratio"},
	}
	refused := func(code float64) []collectors.Reading {
		return slices.Insert(slices.Clone(values), 1, collectors.Reading{Subject: gpu, Series: "gpm:refused:b", Value: code, Unit: "1"})
	}
	told := slices.Insert(slices.Clone(values), 1, collectors.Reading{Subject: gpu, Series: "gpm:b", Unit: ""})
	for i, step := range []struct {
		code int
		want []collectors.Reading
	}{{3, refused(3)}, {3, values}, {13, refused(13)}, {13, values}, {0, told}, {13, refused(13)}} {
		whole.values[1].Refused = step.code
		got, err := c.Read(t.Context())
		if err != nil || !slices.Equal(got, step.want) {
			t.Errorf("read %d: %+v, %v\nwant %+v", i, got, err, step.want)
		}
	}
}

// A device without GPM is an error once, with its reason; one that cannot be opened for
// another reason is tried again; a fault of one hides no other, and none of what it
// told with it.
func TestFaults(t *testing.T) {
	good := &script{values: []Value{{Name: "a", Value: 1, Unit: "1"}}}
	never := &script{open: fmt.Errorf("GPM: not on this GPU (needs Hopper or newer): %w", ErrUnsupported)}
	later := &script{open: errors.New("busy"), values: good.values}
	c := collectorOf(t, never.device("GPU-never"), later.device("GPU-later"), good.device("GPU-good"))
	read := func(readings int, faults ...string) {
		t.Helper()
		got, err := c.Read(t.Context())
		if len(got) != readings {
			t.Errorf("%d readings, want %d: %+v", len(got), readings, got)
		}
		if len(faults) == 0 && err == nil {
			return
		}
		if err == nil || err.Error() != strings.Join(faults, "\n") {
			t.Errorf("error %v, want %q", err, faults)
		}
	}
	read(1, "read GPU-never: GPM: not on this GPU (needs Hopper or newer): not supported", "read GPU-later: busy")
	read(1, "read GPU-later: busy")
	later.open = nil
	read(2)
	later.err = errors.New("lost")
	read(2, "read GPU-later: lost")
	later.err = nil
	read(2)
	if never.opens != 1 || later.opens != 3 || good.opens != 1 {
		t.Errorf("opened %d, %d and %d times; want 1, 3 and 1", never.opens, later.opens, good.opens)
	}
	if err := c.(io.Closer).Close(); err != nil || never.closed+later.closed+good.closed != 2 {
		t.Errorf("closed %d, %d and %d: %v", never.closed, later.closed, good.closed, err)
	}
}
