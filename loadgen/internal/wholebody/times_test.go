package wholebody

import (
	"math/big"
	"strings"
	"testing"
	"time"

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

// Whatever a header tells, it is the number of milliseconds that it says, to the
// nanosecond, or refused.
func FuzzTimes(f *testing.F) {
	for _, s := range []string{"0", "12.345", "-1", "NaN", "Inf", "1e300", "1e-9", "0x1p4", "1_0", "", " 1", "86400000", "86400000.001"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, queue, compute string) {
		if strings.ContainsAny(queue+compute, "xX_pP") || len(queue+compute) > 60 {
			return // what Go or package big write in ways of their own, and exponents that big cannot hold
		}
		var x loadgen.Exchange
		x.Begin()
		a := &x.Answer
		readTimes(fields{queueField: []byte(queue), computeField: []byte(compute)}, a)
		want, wantWork := exactly(queue), exactly(compute)
		refused := want == results.Untold || wantWork == results.Untold
		if refused {
			want, wantWork = results.Untold, results.Untold
		}
		if a.ServerRefused != refused || !near(a.ServerQueue, want) || !near(a.ServerWork, wantWork) {
			t.Errorf("%q, %q: %v, %v, refused %v; want %v, %v, %v", queue, compute, a.ServerQueue, a.ServerWork, a.ServerRefused, want, wantWork, refused)
		}
	})
}

func near(a, b time.Duration) bool { return a-b <= 1 && b-a <= 1 }

// exactly reads milliseconds by another reader of numbers; results.Untold is for what is
// no time.
func exactly(text string) time.Duration {
	f, _, err := big.ParseFloat(text, 10, 53, big.ToNearestEven)
	if err != nil || f.Sign() < 0 || f.Cmp(big.NewFloat(24*3600e3)) > 0 {
		return results.Untold
	}
	ns, _ := f.Mul(f, big.NewFloat(1e6)).Float64()
	return time.Duration(ns + 0.5)
}
