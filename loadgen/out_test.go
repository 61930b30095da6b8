package loadgen_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// firstIn is a router that picks the first instance that is in.
type firstIn struct{}

func (firstIn) Pick(_ int64, _ *loadgen.Request, outstanding []int64) int {
	for i, n := range outstanding {
		if n != loadgen.Out {
			return i
		}
	}
	panic("all instances are out")
}

// deaf is a router that does not hear that an instance is out.
type deaf struct{}

func (deaf) Pick(int64, *loadgen.Request, []int64) int { return 0 }

// While an instance is out it gets nothing, and what is in flight at it is
// answered by it; with all out each gets what it would have got. Each request
// takes 100 ms.
func TestOut(t *testing.T) {
	err := bubble(t, func() error {
		s := serve(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(100 * time.Millisecond)
			_, _ = w.Write([]byte("fine"))
		})
		defer s.stop()
		e := s.endpoint(t)
		defer e.Close()
		x := good(e)
		a, b := &atomic.Bool{}, &atomic.Bool{}
		x.Loads[0].Router = firstIn{}
		x.Loads[0].Targets = []loadgen.Target{{Name: "a", Endpoint: e, Out: a}, {Name: "b", Endpoint: e, Out: b}}
		at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
		x.Begun = func(start results.Offset) {
			time.AfterFunc(at(250), func() { a.Store(true) })
			time.AfterFunc(at(450), func() { b.Store(true) })
			time.AfterFunc(at(650), func() { b.Store(false) })
			time.AfterFunc(at(850), func() { a.Store(false) })
		}
		var got sink
		step, err := drive(context.Background(), results.NewOrigin(time.Now()), x, &got)
		if err != nil {
			return err
		}
		route := ""
		for _, sample := range got.all {
			if sample.Outcome != results.OK {
				return fmt.Errorf("%+v", sample)
			}
			route += sample.Endpoint
		}
		// Sent at 0, 100, 200; then 300, 400; with none in 500, 600; 700, 800; 900.
		if route != "aaabbaabba" || step.Services[0].Due != 10 {
			return fmt.Errorf("requests went to %s", route)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A router that picks an instance that is out is our own fault, and told.
func TestOutPickedIsAFault(t *testing.T) {
	err := bubble(t, func() error {
		x := good(plain{})
		s := serve(func(http.ResponseWriter, *http.Request) {})
		defer s.stop()
		e := s.endpoint(t)
		defer e.Close()
		a := &atomic.Bool{}
		a.Store(true)
		x.Loads[0].Router = deaf{}
		x.Loads[0].Targets = []loadgen.Target{{Name: "a", Endpoint: e, Out: a}, {Name: "b", Endpoint: e}}
		_, err := drive(context.Background(), results.NewOrigin(time.Now()), x, &sink{})
		const want = `drive step "x": service "s": the router picked instance 0, which is out of the balancing`
		if err == nil || err.Error() != want {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
