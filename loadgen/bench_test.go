package loadgen_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/memnet"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// A sink keeps samples.
type sink struct {
	mu  sync.Mutex
	all []results.Sample
}

func (s *sink) Sample(x results.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, x)
}

func (s *sink) Observation(results.Observation) {}

func (s *sink) of(service string) (out []results.Sample) {
	for _, x := range s.all {
		if x.Service == service {
			out = append(out, x)
		}
	}
	return out
}

// plain is an endpoint whose request is its class's text and whose every 2xx
// is good.
type plain struct{ *httpx.Client }

func (plain) Prepare(r *loadgen.Request) (loadgen.Prepared, error) {
	if r.Class == "unspeakable" {
		return nil, fmt.Errorf("no words for %q", r.Class)
	}
	return &httpx.Request{Method: http.MethodPost, Path: "/", Body: []byte(r.Class)}, nil
}

// words reads an answer of any text, which is one chunk.
type words struct {
	x *loadgen.Exchange
}

func (w *words) Begin(_ *httpx.Request, _ httpx.Header, x *loadgen.Exchange) { w.x = x }

func (w *words) Body(p []byte, at results.Offset) bool {
	if w.x.Answer.Chunks == 0 {
		w.x.Content(at)
	}
	w.x.Answer.Text += string(p)
	return false
}

func (w *words) End(results.Offset) {}

// chains is a workload of sessions of up to depth calls; the n-th has n modulo
// depth, and one. The class names service, session and call, so that a server
// can tell requests apart.
type chains struct {
	service string
	depth   int
}

type chain struct {
	name  string
	calls int
	next  int
}

func (c chains) Session(_ uint64, n int64) loadgen.Session {
	return &chain{name: fmt.Sprintf("%s/%d", c.service, n), calls: int(n)%c.depth + 1}
}

func (c *chain) Next(call int, answer *loadgen.Answer) []*loadgen.Request {
	if (answer == nil) != (c.next == 0) || call != c.next-1 {
		panic("the answer before was not told")
	}
	if c.next == c.calls {
		return nil
	}
	c.next++
	return []*loadgen.Request{{Class: fmt.Sprintf("%s/%d", c.name, c.next-1), Model: "m"}}
}

// bushes is chains whose calls but the first and the last are side by side.
type bushes struct{ chains }

type bush struct {
	chain
	out int
}

func (b bushes) Session(seed uint64, n int64) loadgen.Session {
	return &bush{chain: *b.chains.Session(seed, n).(*chain)}
}

func (b *bush) Next(call int, answer *loadgen.Answer) []*loadgen.Request {
	if (answer == nil) != (call < 0) || call >= b.next {
		panic("the answer before was not told")
	}
	if b.out--; b.out > 0 || b.next == b.calls {
		return nil
	}
	n := 1
	if b.next == 1 {
		n = max(1, b.calls-2)
	}
	var all []*loadgen.Request
	for range n {
		all = append(all, &loadgen.Request{Class: fmt.Sprintf("%s/%d", b.name, b.next), Model: "m"})
		b.next++
	}
	b.out = n
	return all
}

// known is another workload's first sessions, again and again, as a quick workload:
// their requests are made before.
type known struct {
	trees [][][]*loadgen.Request // by session: what follows the call before, in order
	all   []*loadgen.Request
}

// newKnown plays n sessions of a workload, answering calls in their order.
func newKnown(w loadgen.Workload, n int64) *known {
	k := &known{}
	for i := range n {
		s := w.Session(0, i)
		var tree [][]*loadgen.Request
		tree = append(tree, s.Next(-1, nil))
		for call, given := 0, len(tree[0]); call < given; call++ {
			more := s.Next(call, &loadgen.Answer{Outcome: results.OK})
			given += len(more)
			tree = append(tree, more)
		}
		k.trees = append(k.trees, tree)
		k.all = append(k.all, slices.Concat(tree...)...)
	}
	return k
}

func (k *known) Requests() []*loadgen.Request { return k.all }

func (k *known) Session(_ uint64, n int64) loadgen.Session {
	return &knownSession{k.trees[n%int64(len(k.trees))], 0}
}

// knownSession gives what follows when as many calls were answered.
type knownSession struct {
	tree     [][]*loadgen.Request
	answered int
}

func (k *knownSession) Next(call int, _ *loadgen.Answer) []*loadgen.Request {
	if call >= 0 {
		k.answered++
	}
	return k.tree[k.answered]
}

// turns is the simplest router.
type turns struct{ n int }

func (t *turns) Pick(_ int64, _ *loadgen.Request, outstanding []int64) int {
	t.n++
	return t.n % len(outstanding)
}

// drive is Drive in virtual time.
func drive(ctx context.Context, origin results.Origin, step loadgen.Step, sink results.Sink) (results.Step, error) {
	if step.NewLoop == nil {
		step.NewLoop = timed
	}
	return loadgen.Drive(ctx, origin, step, sink)
}

func timed(origin results.Origin) (pace.Loop, error) { return pace.NewTimed(origin), nil }

// late gives loops whose sharp timers go when is says, for a moment.
func late(is func(at results.Offset) results.Offset) func(results.Origin) (pace.Loop, error) {
	return func(origin results.Origin) (pace.Loop, error) { return lateLoop{pace.NewTimed(origin), is}, nil }
}

type lateLoop struct {
	pace.Loop
	is func(results.Offset) results.Offset
}

func (l lateLoop) Set(t *pace.Timer, at results.Offset) {
	if t.Sharp {
		at = l.is(at)
	}
	l.Loop.Set(t, at)
}

// A server is an HTTP server in memory.
type server struct {
	*memnet.Listener
	http http.Server
	done sync.WaitGroup
}

func serve(handler http.HandlerFunc) *server {
	s := &server{Listener: memnet.Listen()}
	s.http.Handler = handler
	s.done.Go(func() { _ = s.http.Serve(s) })
	return s
}

func (s *server) stop() {
	_ = s.http.Close()
	s.done.Wait()
}

func (s *server) endpoint(t testing.TB) loadgen.Endpoint {
	u, err := httpx.ParseBase("http://server")
	if err != nil {
		t.Fatal(err)
	}
	client, err := httpx.New(httpx.Config{
		Base: u, Dial: s.Dial, NewReader: func() httpx.Reader { return &words{} }, Sheds: func([]byte) bool { return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	return plain{client}
}

// bubble runs f in virtual time and gives its error, so that a property can
// report it outside.
func bubble(t *testing.T, f func() error) (err error) {
	synctest.Test(t, func(*testing.T) { err = f() })
	return err
}

// read gives the request's text.
func read(r *http.Request) string {
	b, _ := io.ReadAll(r.Body)
	return strings.TrimSpace(string(b))
}
