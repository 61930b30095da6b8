package loadgen_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/memnet"
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
type plain struct {
	client *httpx.Client
	url    *url.URL
}

func (p plain) Close() { p.client.Close() }

func (p plain) Prepare(r *loadgen.Request) (loadgen.Prepared, error) {
	if r.Class == "unspeakable" {
		return nil, fmt.Errorf("no words for %q", r.Class)
	}
	return call{p, httpx.Call{URL: p.url, Header: http.Header{}, Body: []byte(r.Class)}}, nil
}

type call struct {
	plain
	call httpx.Call
}

func (c call) Do(ctx context.Context, first func()) loadgen.Answer {
	return c.client.Send(ctx, &c.call, first, func(body io.Reader, first func(), a *loadgen.Answer) error {
		text, err := httpx.ReadAll(body, first)
		a.Text, a.Chunks = string(text), 1
		return err
	}, func([]byte) bool { return false })
}

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

func (c *chain) Next(prev *loadgen.Answer) (*loadgen.Request, bool) {
	if (prev == nil) != (c.next == 0) {
		panic("the answer before was not told")
	}
	if c.next == c.calls {
		return nil, false
	}
	c.next++
	return &loadgen.Request{Class: fmt.Sprintf("%s/%d", c.name, c.next-1), Model: "m"}, true
}

// turns is the simplest router.
type turns struct{ n int }

func (t *turns) Pick(_ int64, outstanding []int64) int {
	t.n++
	return t.n % len(outstanding)
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
	return plain{httpx.NewClient(s.Dial), u}
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
