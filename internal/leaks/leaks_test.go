package leaks

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { Main(m) }

// A goroutine that takes longer to end than goleak waits is none that is left; one that
// does not end is, after patience.
func TestFind(t *testing.T) {
	others := goleak.IgnoreCurrent()
	synctest.Test(t, func(t *testing.T) {
		here := goleak.IgnoreCurrent()
		go time.Sleep(patience - time.Second)
		None(t, others, here)
		stay := make(chan struct{})
		go func() { <-stay }()
		if err := Find(others, here); err == nil {
			t.Error("one that stays was not found")
		}
		close(stay)
		None(t, others, here)
	})
}
