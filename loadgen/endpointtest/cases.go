package endpointtest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

// expect makes one exchange with a server and compares outcome and status.
func (s Subject) expect(t *testing.T, way road, handler http.HandlerFunc, want results.Outcome, status int) {
	s.with(t, way, handler, func(b *bench) {
		got := b.send().answer()
		if got.Outcome != want || got.Status != status {
			t.Errorf("got %v, status %d (%s); want %v, status %d", got.Outcome, got.Status, got.Detail, want, status)
		}
	})
}

// good has two good answers, each after 2 s where time costs nothing.
func (s Subject) good(t *testing.T, way road) {
	took := time.Duration(0)
	if way.timed {
		took = 2 * time.Second
	}
	slow := func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(took)
		s.Good(w, r)
	}
	s.with(t, way, slow, func(b *bench) {
		for range 2 { // on a new connection, and on the same again
			a := b.send()
			got := a.answer()
			if got.Outcome != results.OK || got.Status != 200 {
				t.Fatalf("got %v, status %d: %s", got.Outcome, got.Status, got.Detail)
			}
			if done, first := got.Done.Sub(a.sent), got.First.Sub(a.sent); done < took || !s.Whole && first < took {
				t.Errorf("first byte after %v, done after %v; the server answered after %v", first, done, took)
			}
			if (got.BytesSent == 0) != s.Bodyless || got.BytesRead == 0 || got.Chunks == 0 {
				t.Errorf("%d bytes sent, %d read, %d chunks", got.BytesSent, got.BytesRead, got.Chunks)
			}
		}
	})
}

func (s Subject) refused(t *testing.T, way road) {
	s.with(t, way, s.Good, func(b *bench) {
		b.hangUp()
		if got := b.send().answer(); got.Outcome != results.Connect || got.BytesSent != 0 {
			t.Errorf("got %v with %d bytes sent (%s); want connect", got.Outcome, got.BytesSent, got.Detail)
		}
	})
}

// aborted ends exchanges of which the server has the request, and maybe began to
// answer it.
func (s Subject) aborted(t *testing.T, way road, begin func(http.ResponseWriter), status int) {
	here := make(chan bool, 1)
	silent := func(w http.ResponseWriter, r *http.Request) {
		drain(r)
		begin(w)
		if !way.timed {
			here <- true
		}
		<-r.Context().Done()
	}
	s.with(t, way, silent, func(b *bench) {
		for _, outcome := range []results.Outcome{results.Timeout, results.Cancelled} {
			a := b.send()
			if way.timed {
				time.Sleep(time.Second) // all that can happen has by then
			} else {
				<-here
			}
			over := make(chan bool)
			b.loop.Post(func() {
				b.line.Abort(a.x, outcome)
				if len(a.done) == 0 {
					t.Error("Done was not called within Abort")
				}
				close(over)
			})
			<-over
			// On loopback the answer's beginning may not have come in yet.
			if got := a.answer(); got.Outcome != outcome || got.Status != status && (way.timed || got.Status != 0) {
				t.Errorf("got %v, status %d (%s); want %v, status %d", got.Outcome, got.Status, got.Detail, outcome, status)
			}
		}
	})
}

func (s Subject) many(t *testing.T, way road) {
	s.with(t, way, s.Good, func(b *bench) {
		var all []*asked
		for range 20 {
			all = append(all, b.send())
		}
		for _, a := range all {
			if got := a.answer(); got.Outcome != results.OK {
				t.Errorf("got %v: %s", got.Outcome, got.Detail)
			}
		}
	})
}

func (s Subject) badURLs(t *testing.T) {
	d, err := s.New(httpx.Transport{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"", "localhost:8080", "ftp://host", "http://", "http://host?x=1", "http://ho st", "http://user:secret@host"} {
		if _, err := d.Dial(u); err == nil {
			t.Errorf("URL %q was accepted", u)
		}
	}
}

// endless writes until nobody listens.
func endless(w http.ResponseWriter, r *http.Request) {
	drain(r)
	lines := bytes.Repeat([]byte(": nothing to see\n\n"), 1<<14)
	for {
		if _, err := w.Write(lines); err != nil {
			return
		}
	}
}

// raw gives a handler that writes bytes to the connection and closes it.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		drain(r)
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(c, text)
		c.Close()
	}
}

// cutAt gives a handler that sends a good answer but for its last n-th part (1:
// only its last byte), and then closes the connection.
func (s Subject) cutAt(t *testing.T, part int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		record := httptest.NewRecorder()
		s.Good(record, r)
		body := record.Body.Bytes()
		keep := len(body) - 1
		if part > 1 {
			keep = len(body) / part
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		var b bytes.Buffer
		b.WriteString("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n")
		for _, name := range []string{"Content-Type", "Inference-Header-Content-Length"} {
			if v := record.Header().Get(name); v != "" {
				b.WriteString(name + ": " + v + "\r\n")
			}
		}
		b.WriteString("\r\n")
		b.Write(body[:keep])
		_, _ = c.Write(b.Bytes())
		c.Close()
	}
}
