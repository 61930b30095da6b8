package model_test

import (
	"fmt"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// Two detectors that each use 40 of 100 SMs: beside each other under MPS, one
// at a time without.
func Example() {
	for _, mps := range []bool{false, true} {
		var w model.World
		host := model.NewHost(&w, 8)
		gpu := w.AddDevice(model.DeviceConfig{SMs: 100, Bandwidth: 1e12, Quantum: 2 * time.Millisecond, Switch: 200 * time.Microsecond})
		for range 2 {
			d := model.NewDetector(&w, host, gpu, model.Client{MPS: mps, Share: 1}, model.DetectorConfig{
				Workers: 1, Queue: 10, Before: 5 * time.Millisecond, Job: model.Job{Work: 0.4, Parallel: 40, Bytes: 1e9},
			})
			d.Submit(1, false, func(x model.Detection) { fmt.Println("mps", mps, "done at", x.Done) })
		}
		w.Advance(time.Second)
		u := gpu.Usage(w.Now())
		fmt.Printf("busy %v, %v for %d switches\n", u.Busy, u.Switching, u.Switches)
	}
	// Output:
	// mps false done at 24.6ms
	// mps false done at 26.8ms
	// busy 20ms, 1.8ms for 9 switches
	// mps true done at 15ms
	// mps true done at 15ms
	// busy 10ms, 0s for 0 switches
}
