package endpointtest

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/memnet"
	"github.com/evabench/evabench/results"
)

// with runs f against a server with the handler, in a bubble of its own.
func (s Subject) with(t *testing.T, handler http.HandlerFunc, f func(t *testing.T, e loadgen.Endpoint, l *memnet.Listener)) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		server := &http.Server{Handler: handler}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(l) })
		defer serving.Wait()
		defer server.Close()
		d, err := s.New(l.Dial)
		if err != nil {
			t.Fatal(err)
		}
		e, err := d.Dial("http://server:8080")
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		f(t, e, l)
	})
}

// ask makes one exchange and checks what must hold of every one.
func (s Subject) ask(ctx context.Context, t *testing.T, e loadgen.Endpoint) (a loadgen.Answer, firstAt, doneAt time.Duration) {
	t.Helper()
	p, err := e.Prepare(s.Request)
	if err != nil {
		t.Errorf("Prepare: %v", err)
		return a, -1, -1
	}
	start, calls, returned := time.Now(), 0, false
	firstAt = -1
	a = p.Do(ctx, func() {
		calls++
		firstAt = time.Since(start)
		if returned {
			t.Error("first was called after Do returned")
		}
	})
	returned = true
	doneAt = time.Since(start)
	if a.Outcome < results.OK || a.Outcome > results.NotSent {
		t.Errorf("no outcome: %+v", a)
	}
	if calls > 1 {
		t.Errorf("first was called %d times", calls)
	}
	if a.Outcome == results.OK && (calls == 0) != (a.Chunks == 0 || s.Whole) {
		t.Errorf("a good answer has %d chunks, but first was called %d times", a.Chunks, calls)
	}
	if a.Outcome != results.OK && a.Detail == "" {
		t.Errorf("outcome %v has no detail", a.Outcome)
	}
	return a, firstAt, doneAt
}

// expect makes one exchange with a server and compares outcome and status.
func (s Subject) expect(t *testing.T, handler http.HandlerFunc, want results.Outcome, status int) {
	s.with(t, handler, func(t *testing.T, e loadgen.Endpoint, _ *memnet.Listener) {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		a, _, took := s.ask(ctx, t, e)
		if a.Outcome != want || a.Status != status {
			t.Errorf("got %v, status %d (%s); want %v, status %d", a.Outcome, a.Status, a.Detail, want, status)
		}
		if (want == results.Timeout) != (took == timeout) {
			t.Errorf("outcome %v after %v", want, took)
		}
	})
}

func (s Subject) good(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(2 * time.Second)
		s.Good(w, r)
	}
	s.with(t, slow, func(t *testing.T, e loadgen.Endpoint, _ *memnet.Listener) {
		for range 2 { // on a new connection, and on the same again
			a, first, done := s.ask(t.Context(), t, e)
			if a.Outcome != results.OK || a.Status != 200 {
				t.Fatalf("got %v, status %d: %s", a.Outcome, a.Status, a.Detail)
			}
			if !s.Whole && first < 2*time.Second || done < max(first, 2*time.Second) {
				t.Errorf("first byte after %v, done after %v; the server answered after 2s", first, done)
			}
			if a.BytesSent == 0 || a.BytesRead == 0 || a.Chunks == 0 {
				t.Errorf("%d bytes sent, %d read, %d chunks", a.BytesSent, a.BytesRead, a.Chunks)
			}
		}
	})
}

func (s Subject) refused(t *testing.T) {
	s.with(t, s.Good, func(t *testing.T, e loadgen.Endpoint, l *memnet.Listener) {
		l.Close()
		a, _, _ := s.ask(t.Context(), t, e)
		if a.Outcome != results.Connect || a.BytesSent != 0 {
			t.Errorf("got %v with %d bytes sent (%s); want connect", a.Outcome, a.BytesSent, a.Detail)
		}
	})
}

func (s Subject) cancelled(t *testing.T) {
	silent := func(_ http.ResponseWriter, r *http.Request) { drain(r); <-r.Context().Done() }
	s.with(t, silent, func(t *testing.T, e loadgen.Endpoint, _ *memnet.Listener) {
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(time.Second, cancel).Stop()
		if a, _, took := s.ask(ctx, t, e); a.Outcome != results.Cancelled || took != time.Second {
			t.Errorf("got %v after %v (%s); want cancelled after 1s", a.Outcome, took, a.Detail)
		}
		if a, _, took := s.ask(ctx, t, e); a.Outcome != results.Cancelled || took != 0 {
			t.Errorf("got %v after %v when the context was over before", a.Outcome, took)
		}
	})
}

func (s Subject) many(t *testing.T) {
	s.with(t, s.Good, func(t *testing.T, e loadgen.Endpoint, _ *memnet.Listener) {
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if a, _, _ := s.ask(t.Context(), t, e); a.Outcome != results.OK {
					t.Errorf("got %v: %s", a.Outcome, a.Detail)
				}
			})
		}
		all.Wait()
	})
}

func (s Subject) badURLs(t *testing.T) {
	d, err := s.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"", "localhost:8080", "ftp://host", "http://", "http://host?x=1", "http://ho st"} {
		if _, err := d.Dial(u); err == nil {
			t.Errorf("URL %q was accepted", u)
		}
	}
}
