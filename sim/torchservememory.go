package sim

import (
	"errors"
	"fmt"
	"time"
)

// resizer gives what takes device memory for an instance's workers that come,
// and gives back that of workers that go. It does not wait for s.mu any more
// once the instance ends: whoever ends it holds s.mu, and waits for the calls.
func (s *server) resizer(i *instance) func(workers int, m *torchModel) error {
	return func(workers int, m *torchModel) error {
		for !s.mu.TryLock() {
			select {
			case <-i.gone:
				return errors.New("the instance is ending")
			case <-time.After(time.Millisecond):
			}
		}
		defer s.mu.Unlock()
		bytes := int64(i.memoryBytes) + int64(workers)*int64(m.workerBytes)
		if err := s.enter(i, uint64(bytes)); err != nil {
			return fmt.Errorf("CUDA out of memory: %d more workers of %s: %w", workers, m.name, err)
		}
		return nil
	}
}
