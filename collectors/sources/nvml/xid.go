package nvml

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// The series of critical errors.
const (
	// SeriesXid is an error that the driver reported of a GPU or of an instance of it, when it
	// was read: the value is the Xid number. It is given for each error, and for none.
	SeriesXid = Name + ":xid"
	// SeriesXidWatched is 1 when the watch of a GPU began and 0 when it was refused or broke:
	// without it no SeriesXid means nothing.
	SeriesXidWatched = Name + ":xid_watched"
)

// WarnXidUnknown is the code of the warning that a GPU's critical errors are not known; its
// Subject is the GPU.
const WarnXidUnknown = "xid-not-watched"

// ErrUnsupported is what the Open of a [GPU] gives, perhaps wrapped, if it will never tell
// of an error: it is then not asked again.
var ErrUnsupported = errors.New("not supported")

// A GPU is a physical GPU that can be watched for critical errors.
type GPU struct {
	UUID  string
	Label string // what warnings call it
	// Open begins the watch. It is called by a goroutine of its own, and again after it
	// failed.
	Open func() (Watch, error)
}

// A Watch gives one GPU's critical errors. It is used by one goroutine at a time.
type Watch interface {
	// Next waits for the next error, at most so long; ok is false if none came.
	Next(atMost time.Duration) (x Xid, ok bool, err error)
	Close() error
}

// An Xid is a critical error.
type Xid struct {
	Number uint64
	Of     results.Subject // the GPU, or the instance that the error is told to be of
}

const (
	// xidWait is how long one wait for an error may take: the end of the collector waits for
	// it.
	xidWait = 250 * time.Millisecond
	// xidPause is how long a GPU is left alone after a fault.
	xidPause = 10 * time.Second
	// xidGrace is how long the end waits for a wait that goes on longer than it was told.
	xidGrace = time.Second
	// mostXids is how many errors are kept from one read to the next; a GPU in trouble may
	// report without end.
	mostXids = 1000
)

// xids watches GPUs, each in its goroutine, and keeps what they tell until it is read. Its
// methods are safe for concurrent use.
//
// Note: the driver's wait blocks, so a read that made it would be late by it, and one that
// waited for no time would have to be made for every GPU at every read.
type xids struct {
	end chan struct{} // closed by close
	all sync.WaitGroup

	mu       sync.Mutex
	readings []collectors.Reading
	lost     int64 // beyond mostXids
	warnings []results.Warning
}

// watch begins to watch the GPUs.
func watch(gpus []GPU) *xids {
	x := &xids{end: make(chan struct{})}
	for _, g := range gpus {
		x.all.Go(func() { x.follow(g) })
	}
	return x
}

// follow watches one GPU to the end, or until it says that it never tells anything.
func (x *xids) follow(g GPU) {
	for {
		err := x.session(g)
		if err == nil {
			return
		}
		x.refused(g, err)
		if errors.Is(err, ErrUnsupported) || !x.pause(xidPause) {
			return
		}
	}
}

// session opens a watch and follows it until a fault, or the end.
func (x *xids) session(g GPU) (err error) {
	w, err := g.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	x.take(collectors.Reading{Subject: subjectOf(g), Series: SeriesXidWatched, Value: 1, Unit: "1"})
	for {
		select {
		case <-x.end:
			return nil
		default:
		}
		found, ok, err := w.Next(xidWait)
		if err != nil {
			return err
		}
		if ok {
			x.take(collectors.Reading{Subject: found.Of, Series: SeriesXid, Value: float64(found.Number), Unit: "1"})
		}
	}
}

// pause waits, and reports whether the end is still to come.
func (x *xids) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.end:
		return false
	}
}

func subjectOf(g GPU) results.Subject { return results.Subject{Kind: results.SubjectGPU, ID: g.UUID} }

func (x *xids) take(r collectors.Reading) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.readings) >= mostXids {
		x.lost++
		return
	}
	x.readings = append(x.readings, r)
}

// refused records that a GPU is not watched. The warning is there before the reading is.
func (x *xids) refused(g GPU, why error) {
	x.warn(g, why)
	x.take(collectors.Reading{Subject: subjectOf(g), Series: SeriesXidWatched, Value: 0, Unit: "1"})
}

// warn counts a GPU that is not watched; the first reason is kept.
func (x *xids) warn(g GPU, why error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.warnings {
		if x.warnings[i].Subject == g.UUID {
			x.warnings[i].Count++
			return
		}
	}
	x.warnings = append(x.warnings, results.Warning{
		Code: WarnXidUnknown, Subject: g.UUID, Count: 1,
		Text: fmt.Sprintf("%s: whether %s met critical errors (Xid) is not known: %v", Name, g.Label, why),
	})
}

// read gives what came since the read before, and how many errors were too many.
func (x *xids) read() (readings []collectors.Reading, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	readings, x.readings = x.readings, nil
	if x.lost > 0 {
		err = fmt.Errorf("%d critical errors more than %d came since the read before, and were not kept", x.lost, mostXids)
		x.lost = 0
	}
	return readings, err
}

func (x *xids) told() []results.Warning {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.warnings)
}

// close ends all watches. One whose wait goes on and on is left behind: it holds nobody up.
func (x *xids) close() error {
	close(x.end)
	over := make(chan struct{})
	go func() { x.all.Wait(); close(over) }()
	timer := time.NewTimer(xidGrace)
	defer timer.Stop()
	select {
	case <-over:
		return nil
	case <-timer.C:
		return errors.New("a wait for critical errors went on after it was told to stop")
	}
}
