package nvml

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// A card is a GPU that tells what a test puts into it.
type card struct {
	mu     sync.Mutex
	opened []error // of each Open, the last for ever
	opens  int
	closed int
	found  chan Xid
	broken chan error // what Next gives at once
	hangs  bool       // Next never ends
}

func (c *card) gpu(name string) GPU {
	return GPU{UUID: "GPU-" + name, Label: name, Open: func() (Watch, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		err := c.opened[min(c.opens, len(c.opened)-1)]
		c.opens++
		if err != nil {
			return nil, err
		}
		return c, nil
	}}
}

func (c *card) Next(atMost time.Duration) (Xid, bool, error) {
	if c.hangs {
		atMost = time.Hour
	}
	select {
	case x := <-c.found:
		return x, true, nil
	case err := <-c.broken:
		return Xid{}, false, err
	case <-time.After(atMost):
		return Xid{}, false, nil
	}
}

func (c *card) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed++
	return nil
}

func newCard(opened ...error) *card {
	if opened == nil {
		opened = []error{nil}
	}
	return &card{opened: opened, found: make(chan Xid, 2000), broken: make(chan error, 10)}
}

func open(t *testing.T, gpus ...GPU) *collector {
	t.Helper()
	c, err := New(fake{}, gpus...).Collector(collectors.Target{})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*collector)
}

// said reads once, when all goroutines are waiting, and gives a line for each reading.
func said(t *testing.T, c *collector) string {
	t.Helper()
	synctest.Wait()
	readings, err := c.Read(t.Context())
	lines := ""
	for _, r := range readings {
		lines += fmt.Sprintf("%s %s %s=%g; ", r.Subject.Kind, r.Subject.ID, r.Series, r.Value)
	}
	if err != nil {
		lines += err.Error()
	}
	return lines
}

// Errors are told by the read after them, each once, with number and subject. A GPU that
// tells none is told of once, and hides no other.
func TestXids(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, old := newCard(), newCard(fmt.Errorf("events: %w", ErrUnsupported))
		c := open(t, good.gpu("a"), old.gpu("b"))
		got := said(t, c) + said(t, c) // the first begins to watch, and may see that already
		for _, want := range []string{"gpu GPU-a nvml:xid_watched=1; ", "gpu GPU-b nvml:xid_watched=0; "} {
			if !strings.Contains(got, want) {
				t.Errorf("the first reads told %q, want %q in it", got, want)
			}
		}
		good.found <- Xid{31, results.Subject{Kind: results.SubjectInstance, ID: "MIG-1", GPU: "GPU-a"}}
		good.found <- Xid{79, results.Subject{Kind: results.SubjectGPU, ID: "GPU-a"}}
		if got, want := said(t, c), "instance MIG-1 nvml:xid=31; gpu GPU-a nvml:xid=79; "; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		time.Sleep(time.Minute)
		if got := said(t, c); got != "" {
			t.Errorf("a minute later: %q", got)
		}
		w := c.Warnings()
		if len(w) != 1 || w[0].Subject != "GPU-b" || w[0].Count != 1 || w[0].Code != WarnXidUnknown ||
			w[0].Text != "nvml: whether b met critical errors (Xid) is not known: events: not supported" {
			t.Errorf("warnings %+v", w)
		}
		if old.opens != 1 {
			t.Errorf("a GPU that tells no errors was asked %d times", old.opens)
		}
		if err := c.Close(); err != nil || good.closed != 1 {
			t.Errorf("Close() gave %v; %d watches closed, want 1", err, good.closed)
		}
	})
}

// A watch that breaks is begun anew after a pause, and told of as unknown meanwhile.
func TestXidsBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := newCard(nil, errors.New("still lost"), nil)
		c := open(t, lost.gpu("a"))
		first := said(t, c) // it begins to watch, and may see that already
		lost.broken <- errors.New("the GPU is lost")
		time.Sleep(xidPause / 2)
		if got, want := first+said(t, c), "gpu GPU-a nvml:xid_watched=1; gpu GPU-a nvml:xid_watched=0; "; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		time.Sleep(2 * xidPause)
		if got, want := said(t, c), "gpu GPU-a nvml:xid_watched=0; gpu GPU-a nvml:xid_watched=1; "; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		if w := c.Warnings(); len(w) != 1 || w[0].Count != 2 || !strings.Contains(w[0].Text, "the GPU is lost") {
			t.Errorf("warnings %+v", w)
		}
		if err := c.Close(); err != nil || lost.closed != 2 {
			t.Errorf("Close() gave %v; %d watches closed, want 2", err, lost.closed)
		}
	})
}

// A driver that does not come back from a wait delays no read, and the end by a second.
func TestXidsHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, good := newCard(), newCard()
		stuck.hangs = true
		c := open(t, stuck.gpu("a"), good.gpu("b"))
		began := time.Now()
		said(t, c)
		said(t, c)
		good.found <- Xid{48, results.Subject{ID: "GPU-b"}}
		if got := said(t, c); !strings.Contains(got, "nvml:xid=48") || time.Since(began) != 0 {
			t.Errorf("after %v: %q", time.Since(began), got)
		}
		if err := c.Close(); err == nil || time.Since(began) != xidGrace {
			t.Errorf("Close() gave %v after %v, want a fault after %v", err, time.Since(began), xidGrace)
		}
		stuck.broken <- errors.New("over") // the bubble ends only when all have
		synctest.Wait()
	})
}

// Errors without end are kept up to a bound, and how many were not is told.
func TestXidsFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mad := newCard()
		c := open(t, mad.gpu("a"))
		said(t, c)
		said(t, c)
		for range mostXids + 7 {
			mad.found <- Xid{13, results.Subject{ID: "GPU-a"}}
		}
		synctest.Wait()
		readings, err := c.Read(t.Context())
		if len(readings) != mostXids || err == nil || !strings.Contains(err.Error(), "7 critical errors more than 1000") {
			t.Errorf("%d readings, %v", len(readings), err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
