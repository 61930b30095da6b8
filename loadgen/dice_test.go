package loadgen_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/arrivals"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// requests is how many requests the identity is held over; make long raises it.
var requests = flag.Int("requests", 100_000, "virtual requests that the identity is held over")

// dice is an endpoint without a network or a goroutine: what becomes of a request
// and when is drawn, and some are never answered.
type dice struct{ seed uint64 }

func (dice) Prepare(*loadgen.Request) (loadgen.Prepared, error) { return nil, nil }
func (dice) Close()                                             {}

func (d dice) Open(loop pace.Loop) (loadgen.Line, error) {
	return &diceLine{loop: loop, random: rand.New(rand.NewPCG(d.seed, 0))}, nil
}

type diceLine struct {
	loop   pace.Loop
	random *rand.Rand
}

// A throw is one exchange's fate.
type throw struct {
	timer pace.Timer
	over  bool
}

func (l *diceLine) Send(_ loadgen.Prepared, x *loadgen.Exchange) {
	x.Begin()
	t := &throw{}
	x.State = t
	outcome := results.OK
	switch l.random.IntN(20) {
	case 0:
		return // never
	case 1:
		outcome = results.HTTP5xx
	case 2:
		outcome = results.Shed
	case 3:
		outcome = results.Reset
	}
	t.timer.F = func() {
		if outcome == results.OK {
			x.Content(l.loop.Now())
		}
		t.end(x, outcome, l.loop.Now())
	}
	l.loop.Set(&t.timer, l.loop.Now().Add(time.Duration(l.random.ExpFloat64()*float64(20*time.Millisecond))))
}

func (t *throw) end(x *loadgen.Exchange, o results.Outcome, at results.Offset) {
	if t.over {
		panic("an exchange ended twice")
	}
	t.over = true
	x.Answer.Outcome, x.Answer.Done = o, at
	x.Done(x)
}

func (l *diceLine) Abort(x *loadgen.Exchange, o results.Outcome) {
	t := x.State.(*throw)
	l.loop.Stop(&t.timer)
	t.end(x, o, l.loop.Now())
}

func (*diceLine) Close() {}

// counter counts samples by outcome and asks what must hold of each.
type counter struct {
	outcomes map[results.Outcome]int64
	inWindow int64
	start    results.Offset
	faults   int
	seqs     map[int64]bool
}

func (c *counter) Observation(results.Observation) {}

func (c *counter) Sample(s results.Sample) {
	c.outcomes[s.Outcome]++
	if s.Due >= c.start {
		c.inWindow++
	}
	if s.Due > s.Done || s.Sent != results.NoOffset && (s.Sent < s.Due || s.Done < s.Sent) || s.Lag > behind {
		c.faults++
	}
	if c.seqs[s.Seq] {
		c.faults++
	}
	c.seqs[s.Seq] = true
}

// Over very many requests with random faults, a limit and retries: what fell due
// is the sum of all outcomes, and every number is given once.
func TestIdentityOverManyRequests(t *testing.T) {
	const rate = 500
	window := time.Duration(*requests) * time.Second / rate
	err := bubble(t, func() error {
		poisson, err := arrivals.New(arrivals.Config{Kind: "poisson", Value: rate})
		if err != nil {
			return err
		}
		x := good(dice{7})
		x.Plan.Window, x.Plan.Warmup, x.Plan.Levels[0].Arrivals = window, time.Second, "poisson"
		l := &x.Loads[0]
		l.Arrivals, l.Users, l.Timeout, l.MaxInFlight = poisson, 0, 200*time.Millisecond, 17
		l.Workload = fixed{}
		l.Retry = loadgen.Retry{Attempts: 1, On: []results.Outcome{results.Reset, results.Timeout}, Pause: 5 * time.Millisecond}
		start := time.Now()
		got := &counter{outcomes: map[results.Outcome]int64{}, seqs: map[int64]bool{}, start: results.Offset(time.Second)}
		step, err := drive(context.Background(), results.NewOrigin(start), x, got)
		if err != nil {
			return err
		}
		var sum int64
		for _, n := range got.outcomes {
			sum += n
		}
		i := step.Services[0]
		if i.Due != got.inWindow || i.Due+i.WarmupDue != sum || int64(len(got.seqs)) != sum || got.faults > 0 {
			return fmt.Errorf("%d due and %d in the warm-up, %d samples, %d of the window, %d faults", i.Due, i.WarmupDue, sum, got.inWindow, got.faults)
		}
		for _, o := range []results.Outcome{results.OK, results.HTTP5xx, results.Shed, results.Reset, results.Timeout, results.NotSent} {
			if got.outcomes[o] == 0 {
				return fmt.Errorf("no request ended as %v: %v", o, got.outcomes)
			}
		}
		if float64(sum) < 0.95*float64(*requests) {
			return fmt.Errorf("%d requests, want about %d", sum, *requests)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// fixed is a quick workload of one request.
type fixed struct{}

var theOne = []*loadgen.Request{{Class: "c", Model: "m"}}

func (fixed) Requests() []*loadgen.Request { return theOne }

func (fixed) Session(uint64, int64) loadgen.Session { return fixed{} }

func (fixed) Next(call int, _ *loadgen.Answer) []*loadgen.Request {
	if call >= 0 {
		return nil
	}
	return theOne
}

// sendTimes keeps when first calls were sent.
type sendTimes struct{ at []results.Offset }

func (s *sendTimes) Observation(results.Observation) {}
func (s *sendTimes) Sample(x results.Sample)         { s.at = append(s.at, x.Sent) }

// What is really sent by one generator, and by eight that make up the whole, is
// dispersed as a Poisson process is, and is the same.
func TestShardsSendTheWhole(t *testing.T) {
	const rate, seconds = 4, 60_000
	var whole map[results.Offset]int
	for _, shards := range []int{1, 8} {
		sent := map[results.Offset]int{}
		for index := range shards {
			err := bubble(t, func() error {
				poisson, err := arrivals.New(arrivals.Config{Kind: "poisson", Value: rate})
				if err != nil {
					return err
				}
				x := good(dice{uint64(index)})
				x.Shard = loadgen.Shard{Index: index, Of: shards}
				x.Seed = 3
				x.Plan.Window, x.Plan.Levels[0].Arrivals = seconds*time.Second, "poisson"
				x.Loads[0].Arrivals, x.Loads[0].Users, x.Loads[0].Workload = poisson, 0, fixed{}
				var got sendTimes
				if _, err := drive(context.Background(), results.NewOrigin(time.Now()), x, &got); err != nil {
					return err
				}
				for _, at := range got.at {
					sent[at]++
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, part := range []time.Duration{time.Second, 5 * time.Second} {
			if d := dispersionOf(sent, part, seconds*time.Second); math.Abs(d-1) > 0.02 {
				t.Errorf("%d shards: the dispersion of counts in %v is %.4f, want 1 ± 0.02", shards, part, d)
			}
		}
		if whole == nil {
			whole = sent
		} else if !equalCounts(whole, sent) {
			t.Errorf("%d shards sent %d times, one sent %d, or at other moments", shards, len(sent), len(whole))
		}
	}
}

func equalCounts(a, b map[results.Offset]int) bool {
	if len(a) != len(b) {
		return false
	}
	for at, n := range a {
		if b[at] != n {
			return false
		}
	}
	return true
}

// dispersionOf is the variance over the mean of counts in equal parts.
func dispersionOf(sent map[results.Offset]int, part, window time.Duration) float64 {
	counts := make([]float64, window/part)
	for at, n := range sent {
		if i := int(time.Duration(at) / part); i < len(counts) {
			counts[i] += float64(n)
		}
	}
	var sum, squares float64
	for _, c := range counts {
		sum += c
		squares += c * c
	}
	n := float64(len(counts))
	mean := sum / n
	return (squares/n - mean*mean) * n / (n - 1) / mean
}
