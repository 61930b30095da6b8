package endpointtest

import (
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/memnet"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// A bench is a server, and an endpoint's line to it on a running loop.
type bench struct {
	Subject
	t        *testing.T
	loop     pace.Loop
	endpoint loadgen.Endpoint
	line     loadgen.Line
	hangUp   func() // closes the server's listener
}

// with runs f against a server with the handler; in virtual time in a bubble of
// its own.
func (s Subject) with(t *testing.T, way road, handler http.HandlerFunc, f func(*bench)) {
	if way.timed {
		synctest.Test(t, func(t *testing.T) { s.within(t, way, handler, f) })
		return
	}
	s.within(t, way, handler, f)
}

func (s Subject) within(t *testing.T, way road, handler http.HandlerFunc, f func(*bench)) {
	b := &bench{Subject: s, t: t}
	var (
		l    net.Listener
		dial httpx.DialFunc
		host = "server:8080"
		err  error
	)
	if way.timed {
		m := memnet.Listen()
		l, dial = m, m.Dial
		b.loop = pace.NewTimed(results.NewOrigin(time.Now()))
	} else {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
			host = l.Addr().String()
			b.loop, err = pace.New(results.NewOrigin(time.Now()))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	b.hangUp = func() { l.Close() }
	transport := httpx.Transport{}
	server := &http.Server{Handler: handler}
	if way.http2 {
		transport.HTTP = "2"
		server.Protocols = new(http.Protocols)
		server.Protocols.SetUnencryptedHTTP2(true)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	defer serving.Wait()
	defer server.Close()
	dialer, err := s.New(transport, dial)
	if err == nil {
		b.endpoint, err = dialer.Dial("http://" + host)
	}
	if err == nil {
		b.line, err = b.endpoint.Open(b.loop)
	}
	if err != nil {
		b.loop.Close()
		t.Fatal(err)
	}
	defer b.endpoint.Close()
	var running sync.WaitGroup
	running.Go(b.loop.Run)
	f(b)
	b.loop.Post(func() { b.line.Close(); b.loop.Quit() })
	running.Wait()
	if err := b.loop.Close(); err != nil {
		t.Errorf("close the loop: %v", err)
	}
}

// An asked request is on its way.
type asked struct {
	*bench
	x    *loadgen.Exchange
	sent results.Offset
	done chan loadgen.Answer
}

// send sends the subject's request.
func (b *bench) send() *asked {
	b.t.Helper()
	p, err := b.endpoint.Prepare(b.Request)
	if err != nil {
		b.t.Fatalf("Prepare: %v", err)
	}
	a := &asked{bench: b, done: make(chan loadgen.Answer, 2)}
	a.x = &loadgen.Exchange{Done: func(x *loadgen.Exchange) { a.done <- x.Answer }}
	b.loop.Post(func() {
		a.sent = b.loop.Now()
		b.line.Send(p, a.x)
		if len(a.done) > 0 {
			b.t.Error("Done was called from within Send")
		}
	})
	return a
}

// answer waits for the answer and checks what must hold of every one.
func (a *asked) answer() loadgen.Answer {
	a.t.Helper()
	got := <-a.done
	if len(a.done) > 0 {
		a.t.Error("Done was called twice")
	}
	if got.Outcome < results.OK || got.Outcome > results.NotSent {
		a.t.Errorf("no outcome: %+v", got)
	}
	if (got.Outcome == results.OK) != (got.Detail == "") {
		a.t.Errorf("outcome %v has detail %q", got.Outcome, got.Detail)
	}
	if got.Done < a.sent {
		a.t.Errorf("sent at %d, done at %d", a.sent, got.Done)
	}
	if (got.First == results.NoOffset) != (got.Final == results.NoOffset) {
		a.t.Errorf("first %d, final %d", got.First, got.Final)
	}
	if got.First != results.NoOffset && (got.First < a.sent || got.Final < got.First || got.Done < got.Final || got.Chunks == 0) {
		a.t.Errorf("sent %d, first %d, final %d, done %d, %d chunks", a.sent, got.First, got.Final, got.Done, got.Chunks)
	}
	if got.Outcome == results.OK && (got.First == results.NoOffset) != (got.Chunks == 0 || a.Whole) {
		a.t.Errorf("a good answer has %d chunks, the first at %d", got.Chunks, got.First)
	}
	return got
}
