package roofline

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// tokens compares the client's stamp of each token with the one in its text. It
// puts itself between Drive and the endpoint's lines, where chunks are told.
type tokens struct {
	origin  results.Origin
	errors  *hdrhistogram.Histogram // nanoseconds
	early   int64
	counted int64
	parts   []int64 // tokens that came in each part of the origin's time
	free    []*listener
	sent    []int64
}

// part is what tokens are counted by.
const part = 5 * time.Millisecond

func newTokens() *tokens {
	return &tokens{errors: hdrhistogram.New(1, int64(100*time.Second), 3)}
}

// at is a percentile of the errors, 0 if there is none.
func (t *tokens) at(percent float64) time.Duration {
	if t.errors.TotalCount() == 0 {
		return 0
	}
	return time.Duration(t.errors.ValueAtQuantile(percent))
}

// within counts the tokens that came from one moment to another, to within a part.
func (t *tokens) within(from, to results.Offset) (n int64) {
	for i, c := range t.parts {
		if at := results.Offset(i) * results.Offset(part); at >= from && at < to {
			n += c
		}
	}
	return n
}

// answered takes an answer's tokens and the gaps between them.
func (t *tokens) answered(a *loadgen.Answer, gaps []time.Duration) {
	if a.First == results.NoOffset {
		return
	}
	var ok bool
	t.sent, ok = stub.Stamps(a.Text, t.sent)
	if !ok || len(t.sent) != len(gaps)+1 {
		return // not counted, and so told as lost
	}
	zero := t.origin.Time(0).UnixNano()
	at := a.First
	for i, sent := range t.sent {
		if i > 0 {
			at = at.Add(gaps[i-1])
		}
		late := zero + int64(at) - sent
		if late < 0 {
			t.early++
			late = 0
		}
		_ = t.errors.RecordValue(min(late, t.errors.HighestTrackableValue()))
		for int(at/results.Offset(part)) >= len(t.parts) {
			t.parts = append(t.parts, 0)
		}
		t.parts[at/results.Offset(part)]++
	}
	t.counted += int64(len(t.sent))
}

type timedEndpoint struct {
	loadgen.Endpoint
	t *tokens
}

func (e timedEndpoint) Open(loop pace.Loop) (loadgen.Line, error) {
	l, err := e.Endpoint.Open(loop)
	if err != nil {
		return nil, err
	}
	return timedLine{l, e.t}, nil
}

type timedLine struct {
	loadgen.Line
	t *tokens
}

// Send listens to the exchange until it is done.
func (l timedLine) Send(p loadgen.Prepared, x *loadgen.Exchange) {
	h := l.t.listener()
	h.gap, h.done = x.Gap, x.Done
	x.Gap, x.Done = h.onGap, h.onDone
	l.Line.Send(p, x)
}

// A listener stands in for an exchange's own functions.
type listener struct {
	t      *tokens
	gaps   []time.Duration
	gap    func(time.Duration)
	done   func(*loadgen.Exchange)
	onGap  func(time.Duration)
	onDone func(*loadgen.Exchange)
}

func (t *tokens) listener() *listener {
	if last := len(t.free) - 1; last >= 0 {
		h := t.free[last]
		t.free = t.free[:last]
		return h
	}
	h := &listener{t: t}
	h.onGap = func(d time.Duration) {
		h.gaps = append(h.gaps, d)
		if h.gap != nil {
			h.gap(d)
		}
	}
	h.onDone = func(x *loadgen.Exchange) {
		t.answered(&x.Answer, h.gaps)
		x.Gap, x.Done = h.gap, h.done
		h.gaps = h.gaps[:0]
		t.free = append(t.free, h)
		x.Done(x)
	}
	return h
}
