package sim

import (
	"errors"
	"fmt"
	"time"
)

// lockFor locks s.mu for what an instance does; false if the instance is ending, when
// nothing is locked: whoever ends it holds s.mu, and waits for what it does.
func (s *server) lockFor(i *instance) bool {
	for !s.mu.TryLock() {
		select {
		case <-i.gone:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	return true
}

// resizer gives what takes device memory for an instance's workers that come,
// and gives back that of workers that go.
func (s *server) resizer(i *instance) func(workers int, m *torchModel) error {
	return func(workers int, m *torchModel) error {
		if !s.lockFor(i) {
			return errors.New("the instance is ending")
		}
		defer s.mu.Unlock()
		bytes := int64(i.memoryBytes) + int64(workers)*int64(m.workerBytes)
		if err := s.enter(i, uint64(bytes)); err != nil {
			return fmt.Errorf("CUDA out of memory: %d more workers of %s: %w", workers, m.name, err)
		}
		return nil
	}
}
