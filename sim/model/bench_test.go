package model

import (
	"math/rand/v2"
	"testing"
	"time"
)

// saturatedWorld is one GPU with an engine that is never idle and eight
// detector workers that get 25 requests a second.
func saturatedWorld(mps bool, detection func(Detection)) (*World, *Device, *Engine) {
	w := &World{}
	h := NewHost(w, 16)
	d := w.AddDevice(DeviceConfig{SMs: 188, Bandwidth: 1.6e12, Quantum: 2 * ms, Switch: 150 * time.Microsecond})
	c := Client{MPS: mps, Share: 1}
	det := NewDetector(w, h, d, c, DetectorConfig{
		Workers: 8, Queue: 100, Before: 8 * ms, After: 3 * ms, Spread: 0.3,
		Job: Job{Work: 0.018 * 90, Parallel: 90, Bytes: 8e9},
	})
	e := NewEngine(w, h, d, c, EngineConfig{
		MaxSeqs: 256, MaxTokens: 4096, KVBlocks: 20000, BlockTokens: 16, Frontend: 2 * ms, ImageFrontend: 8 * ms, Gap: 2 * ms,
		Base: 0.5, PerSequence: 0.0376, PerToken: 0.012, PerImageToken: 0.0085, Parallel: 188,
		WeightBytes: 17e9, KVBytes: 147456, PrefixCache: true, ImageCache: 100,
	})
	random := rand.New(rand.NewPCG(1, 1))
	var arrive func()
	arrive = func() {
		det.Submit(random.Uint64(), false, detection)
		w.At(w.Now()+time.Duration(random.ExpFloat64()*float64(40*ms)), arrive)
	}
	arrive()
	var shared [40]uint64
	for i := range shared {
		shared[i] = random.Uint64()
	}
	var call Call
	call = Call{PromptTokens: 1200, ImageTokens: 500, Images: 1, OutputTokens: 64, Prefix: shared[:], Token: func() {}, Done: func() { e.Submit(call) }}
	for range 6 {
		e.Submit(call)
	}
	return w, d, e
}

// A simulated hour of one GPU, all of it busy: ns/op is for one simulated
// second.
func BenchmarkWorld(b *testing.B) {
	for _, test := range []struct {
		name string
		mps  bool
	}{{"time-slicing", false}, {"mps", true}} {
		b.Run(test.name, func(b *testing.B) {
			w, d, _ := saturatedWorld(test.mps, func(Detection) {})
			w.Advance(10 * time.Second)
			b.ReportAllocs()
			b.ResetTimer()
			w.Advance(w.Now() + time.Duration(b.N)*time.Second)
			u := d.Usage(w.Now())
			b.ReportMetric(u.Busy.Seconds()/w.Now().Seconds(), "busy")
			b.ReportMetric(u.Switching.Seconds()/w.Now().Seconds(), "switching")
		})
	}
}
