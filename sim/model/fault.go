package model

import (
	"fmt"
	"time"
)

// What goes wrong on a server, as laws of its parts: each gives the configuration of
// a part that has the fault. A fault of a whole device is [Device.SetClock]; one that
// lies behind the model (on the wire, in the client) is none of it.

// SlowPreprocessing makes the host's work in front of the GPU take factor times as
// long, for each request alike; factor is at least 1.
func (c DetectorConfig) SlowPreprocessing(factor float64) DetectorConfig {
	c.Before = longer(c.Before, factor)
	return c
}

// SlowWorker makes everything that its workers do on the host take factor times as
// long, as on a core that another program shares or that runs slowly; factor is at
// least 1. What they ask of the GPU stays, so that others feel nothing of it while
// cores are free.
func (c DetectorConfig) SlowWorker(factor float64) DetectorConfig {
	c.Before, c.Launch, c.After = longer(c.Before, factor), longer(c.Launch, factor), longer(c.After, factor)
	return c
}

// LaunchBound makes a request's job, alone on a device, take factor times as long
// for the same work, factor at least 1: its kernels are so small that the device
// spends its time on beginning them. The device is busy all the while, and its SMs
// are used 1/factor as much:
//
//	Parallel' = Work ÷ (factor · max(Work / min(Parallel, SMs), Bytes / Bandwidth))
//
// It runs the requests of a batch one after the other, so that a batch takes as long
// as they did alone. Simplification: clients of MPS do not delay each other's
// beginnings.
func (c DetectorConfig) LaunchBound(d DeviceConfig, factor float64) DetectorConfig {
	j := &c.Job
	if j.Work > 0 {
		alone := max(j.Work/min(j.Parallel, d.SMs), j.Bytes/d.Bandwidth)
		j.Parallel = j.Work / (factored(factor) * alone)
	}
	c.Serial = true
	return c
}

// SlowPreprocessing makes the frontend's work take factor times as long, at least 1.
func (c EngineConfig) SlowPreprocessing(factor float64) EngineConfig {
	c.Frontend, c.ImageFrontend = longer(c.Frontend, factor), longer(c.ImageFrontend, factor)
	return c
}

// SlowWorker makes everything that the engine does on the host take factor times as
// long, at least 1.
func (c EngineConfig) SlowWorker(factor float64) EngineConfig {
	c = c.SlowPreprocessing(factor)
	c.Gap = longer(c.Gap, factor)
	return c
}

func longer(d time.Duration, factor float64) time.Duration {
	return time.Duration(float64(d) * factored(factor))
}

func factored(factor float64) float64 {
	if !(factor >= 1) {
		panic(fmt.Sprintf("model: a fault by factor %v", factor))
	}
	return factor
}
