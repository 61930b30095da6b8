package endpointtest

import (
	"context"
	"sync"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// An Exchange answers one request on a goroutine of its own. Each call of chunk,
// from that goroutine, stands for one chunk of content that has come in now. The
// context ends when the exchange is aborted; what is returned then is dropped.
// First, Final, LongestGap and Done of what it returns are set by [Fake], and
// Chunks where that is 0.
type Exchange func(ctx context.Context, r *loadgen.Request, chunk func()) loadgen.Answer

// Fake makes an endpoint without a network, for tests of what drives endpoints:
// every exchange of its Lines is one call of f. It may be called at once by any
// number of goroutines. Closing a Line waits for the calls that were aborted.
func Fake(f Exchange) loadgen.Endpoint { return fake{f} }

// FakeDialer gives the same Fake for every URL.
func FakeDialer(f Exchange) loadgen.Dialer { return fakeDialer{f} }

type fakeDialer struct{ f Exchange }

func (d fakeDialer) Dial(string) (loadgen.Endpoint, error) { return Fake(d.f), nil }

type fake struct{ f Exchange }

func (e fake) Prepare(r *loadgen.Request) (loadgen.Prepared, error) { return r, nil }
func (e fake) Close()                                               {}
func (e fake) Open(loop pace.Loop) (loadgen.Line, error)            { return &fakeLine{f: e.f, loop: loop}, nil }

type fakeLine struct {
	f     Exchange
	loop  pace.Loop
	calls sync.WaitGroup
}

// A fakeCall is an exchange on its way.
type fakeCall struct {
	cancel context.CancelFunc
	over   bool // on the loop

	mu     sync.Mutex
	chunks []results.Offset
}

func (l *fakeLine) Send(p loadgen.Prepared, x *loadgen.Exchange) {
	x.Begin()
	ctx, cancel := context.WithCancel(context.Background())
	c := &fakeCall{cancel: cancel}
	x.State = c
	l.calls.Go(func() {
		answer := l.f(ctx, p.(*loadgen.Request), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.chunks = append(c.chunks, l.loop.Now())
		})
		answer.Done = l.loop.Now()
		l.loop.Post(func() { c.finish(x, answer) })
	})
}

// finish completes the answer, unless it was aborted before.
func (c *fakeCall) finish(x *loadgen.Exchange, answer loadgen.Answer) {
	if c.over {
		return
	}
	c.over = true
	c.cancel()
	c.mu.Lock()
	for _, at := range c.chunks {
		x.Content(at)
	}
	c.mu.Unlock()
	stamped := x.Answer
	if answer.Chunks == 0 {
		answer.Chunks = stamped.Chunks
	}
	answer.First, answer.Final, answer.LongestGap = stamped.First, stamped.Final, stamped.LongestGap
	x.Answer = answer
	x.Done(x)
}

func (l *fakeLine) Abort(x *loadgen.Exchange, outcome results.Outcome) {
	c, ok := x.State.(*fakeCall)
	if !ok {
		return
	}
	answer := x.Answer
	answer.Outcome, answer.Detail, answer.Done = outcome, "ended by the client", l.loop.Now()
	c.finish(x, answer)
}

func (l *fakeLine) Close() { l.calls.Wait() }
