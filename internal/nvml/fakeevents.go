package nvml

import (
	"fmt"
	"slices"
	"time"
)

var _ EventReader = (*Fake)(nil)

// AddXid has a card report a critical error: all who watch it are told, in whatever
// process they are. One of an instance that the card has not is ErrNotFound.
func (f *Fake) AddXid(gpu string, x Xid) error {
	return f.change(func(cards []*fakeCard) error {
		c, err := findCardOf(cards, gpu)
		if err != nil {
			return fmt.Errorf("add Xid %d to simulated GPU %s: %w", x.Number, gpu, err)
		}
		if x.Instance != nil && !c.has(*x.Instance) {
			return fmt.Errorf("add Xid %d to instance %d/%d of simulated GPU %s: %w", x.Number, x.Instance.GI, x.Instance.CI, gpu, ErrNotFound)
		}
		c.Xids = append(c.Xids, x)
		return nil
	})
}

func (c *fakeCard) has(at XidInstance) bool {
	i, err := c.instance(at.GI)
	return err == nil && (at.CI < 0 || slices.ContainsFunc(i.Compute, func(k fakeCompute) bool { return k.ID == at.CI }))
}

// Xids watches a card.
func (f *Fake) Xids(gpu string) (XidWatch, error) {
	w := &fakeWatch{fake: f, gpu: gpu}
	err := f.look(func(cards []*fakeCard) error {
		c, err := findGPU(cards, gpu)
		if err == nil {
			w.seen = len(c.Xids)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("watch simulated GPU %s: %w", gpu, err)
	}
	return w, nil
}

// A fakeWatch has seen so many of a card's errors.
type fakeWatch struct {
	fake *Fake
	gpu  string
	seen int
}

// Next looks at the card, and once more when the time is over: nobody tells of a change of
// the file.
func (w *fakeWatch) Next(atMost time.Duration) (Xid, error) {
	if x, found, err := w.look(); found || err != nil {
		return x, err
	}
	time.Sleep(atMost)
	x, found, err := w.look()
	if !found && err == nil {
		err = ErrTimeout
	}
	return x, err
}

func (w *fakeWatch) look() (x Xid, found bool, err error) {
	err = w.fake.look(func(cards []*fakeCard) error {
		c, err := findGPU(cards, w.gpu)
		if err != nil {
			return err
		}
		if w.seen > len(c.Xids) { // it was started anew
			w.seen = 0
		}
		if w.seen < len(c.Xids) {
			x, found = c.Xids[w.seen], true
			w.seen++
		}
		return nil
	})
	return x, found, err
}

// Close does nothing.
func (*fakeWatch) Close() error { return nil }
