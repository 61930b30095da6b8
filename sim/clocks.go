package sim

import (
	"fmt"

	"github.com/evabench/evabench/sim/model"
)

// clocks are the clocks of the GPUs' SMs: full, but where a fault of an instance on the
// GPU lowers them.
type clocks struct {
	full  map[string]float64              // Hz, by the GPU's UUID
	drops map[string]map[*instance]*Fault // by the GPU's UUID
}

// startClocks gives every GPU its full clock, whatever a server before left.
func (s *server) startClocks() error {
	devices, err := s.cardsFile.Devices()
	if err != nil {
		return fmt.Errorf("read cards: %w", err)
	}
	s.clocks = clocks{full: make(map[string]float64), drops: make(map[string]map[*instance]*Fault)}
	for _, d := range devices {
		g, known := s.parameters.GPUs[d.Name]
		if !known || d.Fault != nil {
			continue
		}
		s.clocks.full[d.UUID] = g.SMClock
		if err := s.cardsFile.SetClock(d.UUID, g.SMClock, 0); err != nil {
			return err
		}
	}
	return nil
}

// dropClock lowers the clock of an instance's GPU, if its fault does. s.mu is held.
func (s *server) dropClock(i *instance) error {
	if f := i.request.Fault; f == nil || f.Kind != ClockDrop {
		return nil
	}
	parent := i.device.parent
	if s.clocks.drops[parent] == nil {
		s.clocks.drops[parent] = make(map[*instance]*Fault)
	}
	s.clocks.drops[parent][i] = i.request.Fault
	return s.setClock(parent)
}

// raiseClock takes an instance's fault from its GPU. s.mu is held.
func (s *server) raiseClock(i *instance) error {
	parent := i.device.parent
	if _, dropped := s.clocks.drops[parent][i]; !dropped {
		return nil
	}
	delete(s.clocks.drops[parent], i)
	return s.setClock(parent)
}

// setClock brings a GPU and all its devices to the lowest clock that a fault asks for,
// and the GPU's file with them. s.mu is held.
func (s *server) setClock(parent string) error {
	share, mask := s.clocks.share(parent)
	err := s.driver.do(func(w *model.World) {
		for _, g := range s.gpus {
			if g.parent == parent {
				g.device.SetClock(w.Now(), share)
			}
		}
	})
	if err != nil {
		return err
	}
	return s.cardsFile.SetClock(parent, s.clocks.full[parent]*share, mask)
}

// share is that of the full clock, and why.
func (c clocks) share(parent string) (share float64, mask uint64) {
	share = 1
	for _, f := range c.drops[parent] {
		share = min(share, f.Share)
		mask |= f.mask()
	}
	return share, mask
}
