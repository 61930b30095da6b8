package roofline

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpoints"
	"github.com/evabench/evabench/loadgen/routers"
	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// service is the name of the only service.
const service = "selftest"

// The endpoints, as a scenario has them that says nothing more.
const (
	detector = "torchserve"
	chat     = "openai-chat"
)

// ran is what became of a step.
type ran struct {
	step     results.Step
	origin   results.Origin
	stats    stub.Stats
	arrivals []stub.Arrival
}

// stepOf is a step of one service; the load's kind of arrivals is the caller's.
func stepOf(level results.Level, warmup, window time.Duration) loadgen.Step {
	level.Service = service
	return loadgen.Step{
		Plan:  results.StepPlan{Name: service, Levels: []results.Level{level}, Warmup: warmup, Window: window},
		Loads: []loadgen.Load{{Service: service, Timeout: 30 * time.Second}},
		Seed:  1,
	}
}

// drive runs a step against a server of its own.
func (m *measurement) drive(ctx context.Context, endpoint string, t *tokens, step loadgen.Step, o stub.Options, s results.Sink) (_ ran, err error) {
	c, err := StartServer(ctx, m.options.Command, m.place.server, o)
	if err != nil {
		return ran{}, err
	}
	ended := false
	defer func() {
		if !ended {
			err = errors.Join(err, c.Kill())
		}
	}()
	dialer, err := endpoints.Kinds.Build(kind.Spec{Name: endpoint})
	if err != nil {
		return ran{}, err
	}
	e, err := dialer.Dial(c.URL())
	if err != nil {
		return ran{}, err
	}
	defer e.Close()
	if t != nil {
		e = timedEndpoint{e, t}
	}
	l := &step.Loads[0]
	l.Targets = []loadgen.Target{{Name: "stub", Endpoint: e}}
	if l.Router, err = routers.Kinds.Build(kind.Spec{Name: "round-robin"}); err != nil {
		return ran{}, err
	}
	r := ran{origin: results.NewOrigin(time.Now())}
	if t != nil {
		t.origin = r.origin
	}
	if r.step, err = loadgen.Drive(ctx, r.origin, step, s); err != nil {
		return ran{}, err
	}
	if r.step.Client == nil {
		return ran{}, errors.New("the step does not tell what the client used")
	}
	ended = true
	r.stats, r.arrivals, err = c.End()
	return r, err
}

// sink is a Sink of samples alone.
type sink func(results.Sample)

func (s sink) Sample(a results.Sample)         { s(a) }
func (s sink) Observation(results.Observation) {}

// fixed is a workload of one-request sessions over a few requests.
type fixed []*loadgen.Request

// Quick tells that there is nothing to make.
func (fixed) Quick() {}

func (f fixed) Session(_ uint64, n int64) loadgen.Session {
	i := int(n % int64(len(f)))
	return single(f[i : i+1 : i+1])
}

type single []*loadgen.Request

func (s single) Next(call int, _ *loadgen.Answer) []*loadgen.Request {
	if call >= 0 {
		return nil
	}
	return s
}

// imagesOf makes bytes that no wire could make smaller, as JPEGs are.
func imagesOf(size int) fixed {
	all := make(fixed, 32)
	source := rand.NewChaCha8([32]byte{1})
	for i := range all {
		image := make([]byte, size)
		_, _ = source.Read(image) // never fails
		all[i] = &loadgen.Request{Class: service, Model: "stub", Image: image}
	}
	return all
}

// question is a chat's request.
func question() fixed {
	return fixed{{Class: service, Model: "stub", Messages: []loadgen.Message{{Role: "user", Text: "what is this?"}}, MaxTokens: 64}}
}
