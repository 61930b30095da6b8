package sim

import (
	"runtime"
	"sync"
)

// A process stands for that of an instance, which on a real server has a number
// of its own: by it the GPU and MPS tell instances apart. It is a thread of this
// process, whose number the kernel gives to nothing else, and which ends however
// this process does.
//
// Note: the server's own number for all would hide an instance that runs without
// MPS behind one that does not; a child process for each would have to be found
// and ended after a crash.
type process struct {
	pid  int
	end  chan struct{}
	over sync.WaitGroup
}

func startProcess() *process {
	p := &process{end: make(chan struct{})}
	number := make(chan int)
	p.over.Go(func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		number <- threadID()
		<-p.end
	})
	p.pid = <-number
	return p
}

// stop ends it; it is called once.
func (p *process) stop() {
	close(p.end)
	p.over.Wait()
}
