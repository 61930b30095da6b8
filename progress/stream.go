package progress

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
)

// A Consumer takes events, in order, from one goroutine. It may take its time: newer
// figures then take the place of older ones, and no other event is left out.
type Consumer interface {
	Take(Event)
	// Close is called once, after the last event.
	Close() error
}

// closeWithin bounds how long a stream waits at its end for a consumer that does not
// take its events: a terminal that was stopped, a pipe that nobody reads.
const closeWithin = 3 * time.Second

// A Stream makes events of a run's facts and hands them to consumers. Its methods but
// Say are called one at a time; Say is safe for concurrent use. None waits for a
// consumer but End.
type Stream struct {
	sweep   Sweep
	devices []Device // of the cell that runs
	meter   *meter   // of the step that runs; nil between steps

	feeds []*feed
}

// Start begins a stream with the event SweepBegins.
func Start(sweep Sweep, consumers ...Consumer) *Stream {
	sweep.Schema = Schema
	s := &Stream{sweep: sweep}
	for _, c := range consumers {
		s.feeds = append(s.feeds, newFeed(c))
	}
	s.put(Event{Kind: SweepBegins, Sweep: &sweep})
	return s
}

// Say makes an event of a line for people.
func (s *Stream) Say(line string) { s.put(Event{Kind: Said, Text: line}) }

// Follow makes events of facts, as runner.Bench.Follow asks for.
func (s *Stream) Follow(fact runner.Fact) {
	switch f := fact.(type) {
	case runner.PhaseBegins:
		kind := CellPhase
		if f.Cell == "" {
			kind = LayoutPhase
		}
		s.put(Event{Kind: kind, Cell: f.Cell, Layout: f.Layout, Phase: f.Phase})
	case runner.CellLeftOut:
		s.put(Event{Kind: CellLeftOut, Cell: f.Cell.Folder, Config: f.Cell.Config.Name, Replicate: f.Cell.Replicate, Text: f.Why})
	case runner.CellBegins:
		s.devices = nil
		for _, d := range f.Devices {
			s.devices = append(s.devices, Device{UUID: d.UUID, Name: d.Name})
		}
		s.put(Event{Kind: CellBegins, Cell: f.Cell.Folder, Config: f.Cell.Config.Name, Replicate: f.Cell.Replicate, Devices: s.devices})
	case runner.CellEnds:
		s.meter = nil
		s.put(Event{Kind: CellEnds, Cell: f.Cell.Folder, Status: f.Cell.Status, Text: f.Cell.Fault})
	case runner.StepBegins:
		s.meter = newMeter(f, s.sweep.Services, s.devices)
		s.put(Event{Kind: StepBegins, Cell: f.Cell, Step: &f.Index, Plan: &f.Plan})
	case runner.StepRuns:
		s.meter.run(f)
		s.put(Event{Kind: StepRuns, Cell: f.Cell, Step: &f.Index, Figures: s.meter.figures(f.To.Sub(f.Start))})
	case runner.StepEnds:
		figures := s.meter.figures(f.Step.End.Sub(f.Step.Start))
		if f.Step.WindowEnd == f.Step.WindowStart {
			figures.Part = PartWarmup // it was ended there
		}
		s.meter = nil
		s.put(Event{Kind: StepEnds, Cell: f.Cell, Step: &f.Step.Index, Figures: figures, Text: f.Step.Stopped})
	}
}

// End makes the event SweepEnds, of a run that ended with an error or with nil, closes
// every consumer and returns when each is, or is given up. The error is of consumers.
func (s *Stream) End(run error, interrupted bool) error {
	e := Event{Kind: SweepEnds, Status: results.CellDone}
	if run != nil {
		e.Status, e.Text = results.CellFailed, run.Error()
	}
	if interrupted {
		e.Status = results.CellInterrupted
	}
	s.put(e)
	var faults []error
	within, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	for _, f := range s.feeds {
		faults = append(faults, f.close(within))
	}
	return errors.Join(faults...)
}

// put hands an event to every consumer.
func (s *Stream) put(e Event) {
	e.At = time.Now().UTC().Round(0)
	for _, f := range s.feeds {
		f.put(e)
	}
}

// A feed is what one consumer is still to take.
type feed struct {
	mu     sync.Mutex
	wait   []Event
	closed bool
	more   chan struct{} // holds one when wait or closed has changed
	done   chan struct{} // closed when the consumer is
	err    error         // of the consumer; read after done
}

func newFeed(c Consumer) *feed {
	f := &feed{more: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.run(c)
		f.err = c.Close()
	}()
	return f
}

// put adds an event. Figures that were not taken yet are replaced by newer ones of
// their step, so that what waits does not grow with time.
func (f *feed) put(e Event) {
	f.mu.Lock()
	if e.Kind == StepRuns || e.Kind == StepEnds {
		f.wait = slices.DeleteFunc(f.wait, func(o Event) bool { return o.Kind == StepRuns && o.Cell == e.Cell && *o.Step == *e.Step })
	}
	f.wait = append(f.wait, e)
	f.mu.Unlock()
	f.changed()
}

func (f *feed) changed() {
	select {
	case f.more <- struct{}{}:
	default:
	}
}

func (f *feed) run(c Consumer) {
	for range f.more {
		f.mu.Lock()
		events, closed := f.wait, f.closed
		f.wait = nil
		f.mu.Unlock()
		for _, e := range events {
			c.Take(e)
		}
		if closed {
			return
		}
	}
}

// close ends the feed once everything was taken, or gives it up with the context.
func (f *feed) close(within context.Context) error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.changed()
	select {
	case <-f.done:
		return f.err
	case <-within.Done():
		f.mu.Lock()
		defer f.mu.Unlock()
		return fmt.Errorf("progress was not taken within %s of the end; %d events were dropped", closeWithin, len(f.wait))
	}
}
