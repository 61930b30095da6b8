package analysis

import (
	"math"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
	"pgregory.net/rapid"
)

// able is a client that does 100,000 small requests, 40,000 of 100 KB or 200,000
// tokens a second at 85 % of a core.
var able = results.SelfTest{
	Small: &results.Throughput{BodyBytes: 16, PerSecond: 100_000}, Images: &results.Throughput{BodyBytes: 102_400, PerSecond: 40_000},
	Streams: &results.StreamRoof{PerSecondAt85: 200_000},
}

func TestShareOfRoofline(t *testing.T) {
	for _, c := range []struct {
		what string
		self *results.SelfTest
		of   []demand
		want float64 // NaN: unknown
	}{
		{"nothing", &able, nil, 0},
		{"all small requests", &able, []demand{{requests: 100_000}}, 1},
		{"all images, but for the bytes of small requests", &able, []demand{{requests: 40_000, bodies: 40_000 * (102_400 - 16)}}, 1},
		{"85 % of a core in tokens", &able, []demand{{chunks: 200_000}}, 0.85},
		{"two services", &able, []demand{{requests: 20_000}, {chunks: 100_000}}, 0.2 + 0.425},
		{"not measured", nil, []demand{{requests: 1}}, math.NaN()},
		{"images not measured", &results.SelfTest{Small: able.Small}, []demand{{requests: 1}}, math.NaN()},
		{"streams not measured", &results.SelfTest{Small: able.Small, Images: able.Images}, []demand{{chunks: 1}}, math.NaN()},
		{"streams not measured and not asked", &results.SelfTest{Small: able.Small, Images: able.Images}, []demand{{requests: 50_000}}, 0.5},
	} {
		got := share(c.self, c.of)
		if got.Known() == math.IsNaN(c.want) || got.Known() && math.Abs(*got.Number-c.want) > 1e-9 {
			t.Errorf("%s: got %+v, want %v", c.what, got, c.want)
		}
		if w, near := nearRoofline(got); near != (c.want > RooflineLimit) || near != (w.Code != "") {
			t.Errorf("%s: warned %v: %+v", c.what, near, w)
		}
	}
}

// The demand of a step at a scale is that of the client's own seconds.
func TestDemandIsOfTheClientsClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scale := float64(rapid.IntRange(0, 100).Draw(t, "scale"))
		n := rapid.Int64Range(1, 1000).Draw(t, "requests")
		tally := newServiceTally()
		w := window{0, results.Offset(10 * time.Second)}
		for i := range n {
			tally.add(&results.Sample{
				Seq: i, Session: i, Due: 1, Sent: 1, First: 2, Final: 2, Done: 3, Outcome: results.OK, BytesSent: 7, Chunks: 3,
			}, w)
		}
		tally.add(&results.Sample{Due: 1, Sent: results.NoOffset, Done: 2, Outcome: results.NotSent}, w)
		got, of := tally.demandOf(w, scale), max(1, scale)*float64(n)/10
		if math.Abs(got.requests-of)+math.Abs(got.bodies-7*of)+math.Abs(got.chunks-2*of) > 1e-6*of {
			t.Fatalf("%d requests at scale %v: %+v", n, scale, got)
		}
	})
}
