package loadgen

import (
	"context"
	"errors"
	"time"

	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// Ask sends one request apart from any step, such as to see whether an instance
// is ready, and gives the answer: Timeout after limit, Cancelled when ctx ends.
// NewLoop is as in [Step]. An error is a fault of ours, never the server's.
func Ask(ctx context.Context, e Endpoint, q *Request, limit time.Duration, newLoop func(results.Origin) (pace.Loop, error)) (_ Answer, err error) {
	if newLoop == nil {
		newLoop = pace.New
	}
	p, err := e.Prepare(q)
	if err != nil {
		return Answer{}, err
	}
	loop, err := newLoop(results.NewOrigin(time.Now()))
	if err != nil {
		return Answer{}, err
	}
	defer func() { err = errors.Join(err, loop.Close()) }()
	line, err := e.Open(loop)
	if err != nil {
		return Answer{}, err
	}
	defer line.Close()
	out := false
	x := &Exchange{Done: func(*Exchange) {
		out = true
		loop.Quit()
	}}
	end := func(o results.Outcome) {
		if !out {
			line.Abort(x, o)
		}
	}
	timeout := pace.Timer{F: func() { end(results.Timeout) }}
	loop.Set(&timeout, loop.Now().Add(limit))
	line.Send(p, x)
	defer context.AfterFunc(ctx, func() { loop.Post(func() { end(results.Cancelled) }) })()
	loop.Run()
	return x.Answer, nil
}
