package sim

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/internal/nvml"
)

// leakSegment is by how much a process that needs more device memory asks for it: the
// block that PyTorch's allocator takes for tensors of 1 to 10 MiB (kLargeBuffer in
// c10/cuda/CUDACachingAllocator.cpp).
const leakSegment = 20 << 20

// A leak is device memory that an instance never gives back: each request leaves bytes
// behind, until a request finds no room on the device and fails. It is safe for
// concurrent use.
type leak struct {
	bytes  uint64 // of one request
	room   atomic.Uint64
	leaked atomic.Uint64
	more   chan struct{} // there is something to show
	over   sync.WaitGroup
}

// newLeak makes a leak that finds so much room.
func newLeak(bytes, room uint64) *leak {
	l := &leak{bytes: bytes, more: make(chan struct{}, 1)}
	l.room.Store(room)
	return l
}

// take leaves one request's memory behind; false says that there is none left. A nil
// leak has room without end. It does not block.
func (l *leak) take() bool {
	if l == nil {
		return true
	}
	for {
		was := l.leaked.Load()
		if was+l.bytes > l.room.Load() {
			return false
		}
		if l.leaked.CompareAndSwap(was, was+l.bytes) {
			break
		}
	}
	select {
	case l.more <- struct{}{}:
	default:
	}
	return true
}

// reserved is the device memory that the process has asked for: whole segments, as far
// as there is room.
func (l *leak) reserved() uint64 {
	leaked := l.leaked.Load()
	return min((leaked+leakSegment-1)/leakSegment*leakSegment, max(leaked, l.room.Load()))
}

// leakPause is the least time of the clock between two changes of the cards' file.
const leakPause = 10 * time.Millisecond

// showLeak keeps what an instance has leaked in the list of its device's processes,
// until the instance ends. s.mu is held; it starts a goroutine, whose end i.leak.over
// tells.
func (s *server) showLeak(i *instance) error {
	memory, err := s.cardsFile.Memory(i.device.uuid)
	if err != nil {
		return err
	}
	l := i.leak
	l.room.Store(memory.TotalBytes - memory.UsedBytes)
	l.over.Go(func() {
		for shown := uint64(0); ; {
			select {
			case <-i.gone:
				return
			case <-l.more:
			}
			now := l.reserved()
			if now == shown {
				continue
			}
			if !s.lockFor(i) {
				return
			}
			err := s.enter(i, i.memoryBytes-shown+now)
			s.mu.Unlock()
			switch {
			case err == nil:
				shown = now
			case errors.Is(err, nvml.ErrInsufficientResources):
				l.room.Store(shown) // others took it meanwhile
			default:
				return // the file is gone, and the server with it
			}
			select {
			case <-i.gone:
				return
			case <-time.After(leakPause):
			}
		}
	})
	return nil
}
