package loadgen

import (
	"fmt"
	"sync"
)

// maxPrepared bounds what the prepared requests of a step's quick workloads hold
// together, in bytes: beside a server it is a small part of the memory, and hundreds
// of images, as tensors of megabytes, fit. More ended in the kernel's killing us, or
// the server.
const maxPrepared = 4_000_000_000

// prepareAll prepares all requests of a quick workload, on as many processors as
// there are: some endpoints take milliseconds for one.
func (s *service) prepareAll(requests []*Request) error {
	asks := make([]ask, len(requests))
	var all sync.WaitGroup
	for worker := range cap(s.planners) {
		all.Go(func() {
			for i := worker; i < len(requests) && s.weight.Load() <= maxPrepared; i += cap(s.planners) {
				asks[i] = s.prepareOne(requests[i])
				s.weight.Add(asks[i].weight())
			}
		})
	}
	all.Wait()
	if s.weight.Load() > maxPrepared {
		return tooHeavy(len(requests), meanWeight(asks))
	}
	s.prepared = make(map[*Request]ask, len(requests))
	for _, a := range asks {
		s.prepared[a.request] = a
	}
	return nil
}

// tooHeavy is the error of a service whose n requests hold so many bytes each.
func tooHeavy(n int, each float64) error {
	return fmt.Errorf("its %d requests, one for each class and image, hold %.1f GB in the endpoint's form (%.1f MB each); a step's services may hold %.1f GB: give fewer images (count, or fewer in the folder) or smaller ones, or an endpoint that takes them as they are, such as detect-http with form raw",
		n, each*float64(n)/1e9, each/1e6, maxPrepared/1e9)
}

// meanWeight is that of the asks that were made.
func meanWeight(asks []ask) float64 {
	made, held := 0, int64(0)
	for _, a := range asks {
		if a.request != nil {
			made++
			held += a.weight()
		}
	}
	return float64(held) / float64(made)
}

// CheckPrepared says why a workload's requests are too heavy to be prepared for an
// endpoint, before there is a server. It looks at a few, and lets what may fit be, as
// what cannot be prepared at all: a step prepares and weighs all.
func CheckPrepared(w Workload, d Dialer) error {
	q, ok := w.(Quick)
	if !ok {
		return nil
	}
	e, err := d.Dial("http://127.0.0.1") // opens nothing
	if err != nil {                      // as it is for TLS
		e, err = d.Dial("https://127.0.0.1")
	}
	if err != nil {
		return nil // the server's own URL may do
	}
	defer e.Close()
	requests := q.Requests()
	few := make([]ask, min(4, len(requests)))
	lightest := int64(maxPrepared)
	for i := range few {
		of := requests[i*len(requests)/len(few)]
		p, _ := e.Prepare(of)
		few[i] = ask{request: of, prepared: p}
		lightest = min(lightest, few[i].weight())
	}
	if n := len(requests); n > 0 && lightest > maxPrepared/int64(n) {
		return tooHeavy(n, meanWeight(few))
	}
	return nil
}

// weight is how many bytes the prepared request holds, as far as it tells.
func (a ask) weight() int64 {
	if w, ok := a.prepared.(Weighed); ok {
		return w.Weight(a.request)
	}
	return 0
}
