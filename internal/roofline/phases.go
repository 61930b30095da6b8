package roofline

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/arrivals"
	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// measurement is the state of one Measure.
type measurement struct {
	options Options
	place   place
	result  *results.SelfTest
}

const (
	users      = 64      // of the closed loops
	imageBytes = 102_400 // about a camera's frame
	smallBytes = 16
	tokenGap   = 50 * time.Millisecond
)

// window is how long a phase measures: quick or full, unless told.
func (m *measurement) window(quick, full time.Duration) time.Duration {
	switch {
	case m.options.Length > 0:
		return m.options.Length
	case m.options.Quick:
		return quick
	}
	return full
}

func (m *measurement) phase(ctx context.Context, name string) error {
	m.options.Tell(name)
	var err error
	switch name {
	case Images:
		m.result.Images, err = m.throughput(ctx, imageBytes, m.window(400*time.Millisecond, 5*time.Second))
	case Small:
		m.result.Small, err = m.throughput(ctx, smallBytes, m.window(300*time.Millisecond, 4*time.Second))
	case Rates:
		for _, rate := range m.options.Rates {
			r, err := m.lateness(ctx, rate, m.window(250*time.Millisecond, 3*time.Second))
			if err != nil {
				return err
			}
			m.result.Rates = append(m.result.Rates, r)
		}
	case Streams:
		m.result.Streams, err = m.streams(ctx, m.window(500*time.Millisecond, 8*time.Second))
	}
	return err
}

// throughput is a closed loop of images of a size.
func (m *measurement) throughput(ctx context.Context, size int, window time.Duration) (*results.Throughput, error) {
	t := &results.Throughput{BodyBytes: int64(size)}
	sink := sink(func(s results.Sample) {
		if s.Outcome != results.OK {
			t.Failed++
		}
	})
	step := stepOf(results.Level{Arrivals: "closed", Value: users, Unit: "users"}, window/5, window)
	step.Loads[0].Users = users
	step.Loads[0].Workload = imagesOf(size)
	r, err := m.drive(ctx, detector, nil, step, stub.Options{}, sink)
	if err != nil {
		return nil, err
	}
	t.Requests = max(r.step.Services[0].Sent-t.Failed, 0)
	t.PerSecond = float64(t.Requests) / window.Seconds()
	t.BytesPerSecond = t.PerSecond * float64(size)
	if t.Requests > 0 {
		t.CPUPerRequest = r.step.Client.CPU / time.Duration(t.Requests)
	}
	return t, nil
}

// lateness is an open loop of even arrivals.
func (m *measurement) lateness(ctx context.Context, rate float64, window time.Duration) (results.RateLateness, error) {
	even, err := arrivals.New(arrivals.Config{Kind: "constant", Value: rate, Window: window})
	if err != nil {
		return results.RateLateness{}, err
	}
	warmup := window / 5 // opens connections; its arrivals are not looked at
	step := stepOf(results.Level{Arrivals: "constant", Value: rate, Unit: "req/s"}, warmup, window)
	step.Loads[0].Arrivals = even
	step.Loads[0].Workload = imagesOf(smallBytes)
	due := make([]results.Offset, 0, int((window+warmup).Seconds()*rate)+16)
	failed := int64(0)
	r, err := m.drive(ctx, detector, nil, step, stub.Options{Log: true}, sink(func(s results.Sample) {
		if s.Outcome != results.OK {
			failed++
		}
		if s.Sent != results.NoOffset {
			due = append(due, s.Due)
		}
	}))
	if err != nil {
		return results.RateLateness{}, err
	}
	moments := make([]int64, len(due))
	zero := r.origin.Time(0).UnixNano()
	for i, d := range due {
		moments[i] = zero + int64(d)
	}
	late := Lateness(moments, r.arrivals, zero+int64(r.step.WindowStart))
	late.Rate, late.Failed = rate, failed
	return late, nil
}

// Lateness compares when requests were due, in nanoseconds of the wall clock,
// with the server's arrivals: the k-th due is the k-th to arrive, which holds
// where requests are sent in the order in which they are due. What is due before
// from is warm-up and not told. It sorts both. Rate and Failed are the caller's.
func Lateness(due []int64, seen []stub.Arrival, from int64) results.RateLateness {
	r := results.RateLateness{Lost: int64(len(due) - len(seen))}
	if r.Lost != 0 {
		return r
	}
	slices.Sort(due)
	slices.SortFunc(seen, func(a, b stub.Arrival) int { return cmp.Compare(a.First, b.First) })
	first, _ := slices.BinarySearch(due, from)
	due, seen = due[first:], seen[first:]
	if r.N = int64(len(due)); r.N < 2 {
		return r
	}
	late := make([]int64, len(due))
	for i := range due {
		late[i] = seen[i].First - due[i]
	}
	r.Achieved = float64(r.N-1) / time.Duration(seen[r.N-1].First-seen[0].First).Seconds()
	slices.Sort(late)
	at := func(q float64) time.Duration { return time.Duration(late[int(math.Ceil(q*float64(r.N)))-1]) }
	r.P50, r.P99, r.Max = at(0.5), at(0.99), at(1)
	return r
}

// streamStep is a step of n streams and their length in tokens: all begin within
// the warm-up, each at its own phase, and last through the window.
func streamStep(n int, window time.Duration) (step loadgen.Step, length int) {
	warmup := window / 2
	length = int((warmup+window)/tokenGap) + 1
	step = stepOf(results.Level{Arrivals: "closed", Value: float64(n), Unit: "users"}, warmup, window)
	l := &step.Loads[0]
	l.Users, l.Ramp, l.Workload = n, window/4, question()
	l.Timeout += time.Duration(length) * tokenGap
	return step, length
}

// streams is a closed loop of streamed chats.
func (m *measurement) streams(ctx context.Context, window time.Duration) (*results.StreamRoof, error) {
	n := m.options.Streams
	s := &results.StreamRoof{Streams: n}
	errors := newTokens()
	step, length := streamStep(n, window)
	r, err := m.drive(ctx, chat, errors, step, stub.Options{Tokens: length, Gap: tokenGap}, sink(func(a results.Sample) {
		if a.Outcome != results.OK {
			s.Failed++
		}
	}))
	if err != nil {
		return nil, err
	}
	s.Tokens, s.Lost, s.Early = errors.counted, r.stats.Tokens-errors.counted, errors.early
	s.PerSecond = float64(errors.within(r.step.WindowStart, r.step.WindowEnd)) / window.Seconds()
	if s.Cores = r.step.Client.CPU.Seconds() / r.step.Client.Wall.Seconds(); s.Cores > 0 {
		s.PerSecondAt85 = 0.85 * s.PerSecond / s.Cores
	}
	s.ErrorP50, s.ErrorP99, s.ErrorMax = errors.at(50), errors.at(99), errors.at(100)
	if s.PeakBytes, err = peakBytes(); err != nil {
		return nil, err
	}
	return s, nil
}
