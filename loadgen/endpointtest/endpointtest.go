// Package endpointtest holds every kind of endpoint to what package loadgen
// relies on: one exchange, one outcome, whatever the server does. It runs in
// virtual time over a network in memory.
package endpointtest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// A Subject is one kind of endpoint under test, with the answers of its server.
type Subject struct {
	// New makes the kind's dialer with its connections made by dial.
	New func(dial func(ctx context.Context, network, addr string) (net.Conn, error)) (loadgen.Dialer, error)
	// Request is a good one.
	Request *loadgen.Request
	// Good answers Request well.
	Good http.HandlerFunc
	// Whole is whether the kind tells no first byte of its answers, since they
	// have no first token.
	Whole bool
	// Refusals are answers that are not good, by name.
	Refusals map[string]Refusal
}

// A Refusal is an answer and what it means.
type Refusal struct {
	Status int
	Body   string
	Want   results.Outcome
}

// timeout bounds each exchange of the suite.
const timeout = 10 * time.Second

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Run("good", func(t *testing.T) { s.good(t) })
	for name, r := range common(s.Refusals) {
		t.Run("refusal/"+name, func(t *testing.T) {
			s.expect(t, answer(r.Status, r.Body), r.Want, r.Status)
		})
	}
	t.Run("no answer", func(t *testing.T) {
		s.expect(t, func(_ http.ResponseWriter, r *http.Request) { drain(r); <-r.Context().Done() }, results.Timeout, 0)
	})
	t.Run("half an answer, then silence", func(t *testing.T) {
		s.expect(t, s.cutAt(t, 2, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), results.Timeout, 200)
	})
	t.Run("half an answer, then closed", func(t *testing.T) {
		s.expect(t, s.cutAt(t, 2, func(net.Conn) {}), results.Reset, 200)
	})
	t.Run("all but the last bytes, then closed", func(t *testing.T) {
		s.expect(t, s.cutAt(t, 1, func(net.Conn) {}), results.Reset, 200)
	})
	t.Run("closed without an answer", func(t *testing.T) {
		s.expect(t, func(_ http.ResponseWriter, r *http.Request) { drain(r); panic(http.ErrAbortHandler) }, results.Reset, 0)
	})
	t.Run("not HTTP", func(t *testing.T) {
		s.expect(t, raw("SSH-2.0-OpenSSH_9.9\r\n\r\n"), results.Malformed, 0)
	})
	t.Run("endless", func(t *testing.T) { s.expect(t, endless, results.Malformed, 200) })
	t.Run("refused", func(t *testing.T) { s.refused(t) })
	t.Run("cancelled", func(t *testing.T) { s.cancelled(t) })
	t.Run("many at once", func(t *testing.T) { s.many(t) })
	t.Run("bad URLs", func(t *testing.T) { s.badURLs(t) })
}

// common adds the refusals that mean the same in every protocol.
func common(own map[string]Refusal) map[string]Refusal {
	all := map[string]Refusal{
		"400":                {400, `{"message":"bad"}`, results.HTTP4xx},
		"404":                {404, ``, results.HTTP4xx},
		"429":                {429, `{}`, results.Shed},
		"500":                {500, `{"message":"broke"}`, results.HTTP5xx},
		"502 page":           {502, `<html>bad gateway</html>`, results.HTTP5xx},
		"503 without reason": {503, ``, results.HTTP5xx},
		"500 out of memory":  {500, `{"message":"CUDA out of memory. Tried to allocate 2 GiB"}`, results.OOM},
		"redirect":           {302, ``, results.Malformed},
		"200 without body":   {200, ``, results.Malformed},
		"200 with a page":    {200, `<html>hello</html>`, results.Malformed},
	}
	maps.Copy(all, own)
	return all
}

// answer gives a handler that says one thing.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		drain(r)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
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

func drain(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

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
// only its last byte), and then does as told.
func (s Subject) cutAt(t *testing.T, part int, then func(net.Conn)) http.HandlerFunc {
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
		b.WriteString("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n")
		b.Write(body[:keep])
		_, _ = c.Write(b.Bytes())
		then(c)
		c.Close()
	}
}
