package wholebody

import (
	"math"
	"strconv"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// What a header tells is read without an allocation, and without one where it tells
// nothing.
func TestTimesCostNoAllocation(t *testing.T) {
	var x loadgen.Exchange
	for name, h := range map[string]fields{
		"nothing": {}, "all": {queueField: []byte("12.345"), decodeField: []byte("0.5"), computeField: []byte("7.25")},
	} {
		x.Begin()
		if n := testing.AllocsPerRun(100, func() { readTimes(h, &x.Answer) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// fields is a header that gives its own memory.
type fields map[string][]byte

func (f fields) Field(name string) []byte { return f[name] }

// A number that a header tells is taken to the nanosecond or refused, and whatever text
// it tells is a time within bounds or refused, and takes the other with it then.
func FuzzTimes(f *testing.F) {
	for i, s := range []string{"0", "12.345", "-1", "NaN", "Inf", "1e300", "1e-9", "0x1p4", "1_0", "", " 1", "86400000", "86400000.001"} {
		f.Add(s, []float64{0, 12.345, -1e-9, 86400000, 86400001, math.Inf(1), math.NaN()}[i%7])
	}
	f.Fuzz(func(t *testing.T, text string, ms float64) {
		var x loadgen.Exchange
		x.Begin()
		a := &x.Answer
		readTimes(fields{computeField: strconv.AppendFloat(nil, ms, 'g', -1, 64)}, a)
		good := ms >= 0 && ms <= 86400000
		if a.ServerRefused == good || good && math.Abs(float64(a.ServerWork)-ms*1e6) > 0.5+ms*1e-9 || !good && a.ServerWork != results.Untold || a.ServerQueue != results.Untold {
			t.Errorf("%v ms: %v, %v, refused %v", ms, a.ServerQueue, a.ServerWork, a.ServerRefused)
		}
		before := a.ServerWork
		readTimes(fields{queueField: []byte(text)}, a)
		if a.ServerRefused && (a.ServerQueue != results.Untold || a.ServerWork != results.Untold) ||
			!a.ServerRefused && (a.ServerQueue < 0 || a.ServerQueue > loadgen.MaxServerTime || a.ServerWork != before) {
			t.Errorf("%q after %v ms: %v, %v, refused %v", text, ms, a.ServerQueue, a.ServerWork, a.ServerRefused)
		}
	})
}
