package analysis

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
	"pgregory.net/rapid"
)

// telling lets the answers of a made queue tell their true times, as change alters them.
func (q madeQueue) telling(f facts, list []customer, change func(i int, s *results.Sample)) facts {
	step := &f.cells[0].steps[0]
	told := step.samples
	step.samples = func(yield func(results.Sample, error) bool) {
		for s, err := range told {
			c := list[s.Seq]
			s.ServerQueue, s.ServerWork = span(c.scheduled-c.queued), span(c.done-c.scheduled)
			if change != nil {
				change(int(s.Seq), &s)
			}
			if !yield(s, err) {
				return
			}
		}
	}
	return f
}

func span(seconds float64) time.Duration { return time.Duration(math.Round(seconds * 1e9)) }

// A queue of known truth whose answers tell of themselves: the figures are theirs, exact to
// the nanosecond, and the server's counters agree.
func TestAnswersOfKnownTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := madeQueue{
			rate: rapid.Float64Range(3, 9).Draw(t, "rate"), service: 0.1, window: 1000,
			frontend: rapid.Float64Range(0, 0.5).Draw(t, "frontend"), seed: rapid.Uint64().Draw(t, "seed"),
		}
		list := q.customers()
		w, s := waitingOf(t, q.telling(q.facts(list, nil), list, nil))
		var wait, most, n float64
		for _, c := range list {
			if done := offset(c.done); done >= offset(q.window*0.1) && done < offset(q.window*1.1) {
				wait, most, n = wait+c.scheduled-c.queued, max(most, c.scheduled-c.queued), n+1
			}
		}
		rests(t, "wait", w.Wait, wait/n, 0, 1e-8, FromRequests)
		rests(t, "inference", w.Inference, q.service, 0, 1e-8, FromRequests)
		told := w.Told
		if w.WaitN != int64(n) || told == nil || told.Asked != w.WaitN || told.Refused != 0 || told.Queue.N != w.WaitN || told.Work.N != w.WaitN ||
			math.Abs(*told.Queue.Max.Number-most) > 1e-8 || len(told.Queue.Quantiles) != 3 {
			t.Errorf("told %+v, of %v answers", told, n)
		}
		if c := told.Check; c == nil || c.Result != Pass || math.Abs(*c.Ratio.Number-1) > 0.02 {
			t.Errorf("against the counters %+v", c)
		}
		all := s.Cells[0].Steps[0].Services[0].Waiting[0]
		if *all.Wait.Number != *w.Wait.Number || all.Wait.Level != FromRequests || *all.Inference.Number != *w.Inference.Number || all.Told.Asked != told.Asked || all.Told.Check != nil {
			t.Errorf("of the service %+v, of its one instance %+v", all, w)
		}
		if codes := codes(s, ""); strings.Contains(codes, "told") {
			t.Errorf("warnings %s", codes)
		}
	})
}

// Without a page the depth follows from the answers' waits, before it follows from latency.
func TestDepthOfAnswers(t *testing.T) {
	q := madeQueue{rate: 8, service: 0.1, window: 1000, seed: 7}
	list := q.customers()
	whole, _ := waitingOf(t, q.facts(list, nil))
	none := func(o *results.Observation) bool { return !strings.Contains(o.Series, "vllm") }
	w, _ := waitingOf(t, q.telling(q.facts(list, none), list, nil))
	rests(t, "depth", w.Depth, *whole.ByLittle.Number, 0.02, 0, FromRequests)
	if !w.Depth.Inferred || w.Wait.Inferred || w.Told.Check != nil {
		t.Errorf("depth %+v, wait %+v", w.Depth, w.Wait)
	}
	// A server that tells its work alone, as llama-server, leaves the wait to what is below.
	w, _ = waitingOf(t, q.telling(q.facts(list, nil), list, func(_ int, s *results.Sample) { s.ServerQueue = results.Untold }))
	rests(t, "wait of counters", w.Wait, *whole.Wait.Number, 0, 0, FromEngine)
	rests(t, "inference of answers", w.Inference, q.service, 0, 1e-8, FromRequests)
	if c := w.Told.Check; c == nil || c.Result != NotJudged || w.Told.Queue.N != 0 {
		t.Errorf("told %+v", w.Told)
	}
	// One that tells its wait alone leaves the work to what the client saw.
	w, _ = waitingOf(t, q.telling(q.facts(list, nil), list, func(_ int, s *results.Sample) { s.ServerWork = results.Untold }))
	rests(t, "inference of the wait", w.Inference, q.service, 0.01, 0, FromRequests)
}

// What cannot be is refused and counted, and what only some tell stands for nobody else.
func TestAnswersThatCannotBe(t *testing.T) {
	q := madeQueue{rate: 8, service: 0.1, window: 1000, seed: 3}
	list := q.customers()
	for _, c := range []struct {
		name           string
		change         func(i int, s *results.Sample)
		level          Evidence
		refused, share float64 // of the answers: refused, and whose wait is taken
		codes          string  // of warnings, each once
		check          string
	}{
		{"one in 50 refused by the reader", func(i int, s *results.Sample) {
			if i%50 == 0 {
				s.ServerQueue, s.ServerWork, s.ServerRefused = results.Untold, results.Untold, true
			}
		}, FromRequests, 0.02, 0.98, "told-refused", Pass},
		{"one in 10 untold", func(i int, s *results.Sample) {
			if i%10 == 0 {
				s.ServerQueue = results.Untold
			}
		}, FromEngine, 0, 0.9, "", NotJudged},
		{"longer than the request", func(_ int, s *results.Sample) { s.ServerWork += time.Second }, FromEngine, 1, 0, "told-refused", NotJudged},
		{"as long as the request", func(_ int, s *results.Sample) { s.ServerWork += time.Millisecond }, FromRequests, 0, 1, "", Pass},
		{"microseconds for milliseconds", func(_ int, s *results.Sample) { s.ServerQueue *= 1000 }, FromEngine, -1, -1, "told-refused", NotJudged},
		{"half of the truth", func(_ int, s *results.Sample) { s.ServerQueue /= 2 }, FromRequests, 0, 1, "told-differs", Fail},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, s := waitingOf(t, q.telling(q.facts(list, nil), list, c.change))
			told := w.Told
			near := func(n int64, share float64) bool {
				return share < 0 || math.Abs(float64(n)-share*float64(told.Asked)) <= 0.002*float64(told.Asked)
			}
			if w.Wait.Level != c.level || !near(told.Refused, c.refused) || !near(told.Queue.N, c.share) || told.Check.Result != c.check {
				t.Errorf("wait %+v, told %+v, check %+v", w.Wait, told, told.Check)
			}
			if (w.Wait.Note == "") != (c.level == FromEngine || c.share == 1 && c.check == Pass) {
				t.Errorf("note %q", w.Wait.Note)
			}
			if got := codes(s, "001"); strings.Contains(got, "told") != (c.codes != "") || !strings.Contains(got, c.codes) {
				t.Errorf("warnings %s, want %q", got, c.codes)
			}
		})
	}
}

// A slack for the server's clock grows with a simulated server's scale, and times that
// were not told are not 0.
func TestWordOf(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		took, queue, work time.Duration
		refused           bool
		scale             float64
		want              ownWord
	}{
		{10 * ms, 3 * ms, 7 * ms, false, 0, ownWord{3 * ms, 7 * ms, false}},
		{10 * ms, 3 * ms, 9 * ms, false, 0, ownWord{results.Untold, results.Untold, true}},
		{10 * ms, 3 * ms, 9 * ms, false, 60, ownWord{3 * ms, 9 * ms, false}},
		{10 * ms, 12 * ms, results.Untold, false, 1, ownWord{results.Untold, results.Untold, true}},
		{10 * ms, results.Untold, 8 * ms, false, 1, ownWord{results.Untold, 8 * ms, false}},
		{10 * ms, results.Untold, results.Untold, false, 1, ownWord{results.Untold, results.Untold, false}},
		{10 * ms, results.Untold, results.Untold, true, 1, ownWord{results.Untold, results.Untold, true}},
		{1000 * time.Second, 1001 * time.Second, results.Untold, false, 1, ownWord{1001 * time.Second, results.Untold, false}},
	} {
		a := answered{sent: 5, done: results.Offset(5 + c.took), queue: c.queue, work: c.work, refused: c.refused}
		if got := wordOf(a, c.scale); got != c.want {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}
