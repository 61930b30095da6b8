// Package endpointtest holds every kind of endpoint to what package loadgen
// relies on: one exchange, one outcome, whatever the server does. It also has an
// endpoint without a network, for tests of what drives endpoints.
package endpointtest

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

// A Subject is one kind of endpoint under test, with the answers of its server.
type Subject struct {
	// New makes the kind's dialer with its requests travelling as told and its
	// connections made by dial; nil means TCP.
	New func(transport httpx.Transport, dial func(ctx context.Context, network, addr string) (net.Conn, error)) (loadgen.Dialer, error)
	// Request is a good one.
	Request *loadgen.Request
	// Good answers Request well.
	Good http.HandlerFunc
	// Whole is whether the kind tells no first byte of its answers, since they
	// have no first token.
	Whole bool
	// Bodyless is whether Request has no body.
	Bodyless bool
	// Refusals are answers that are not good, by name. One with the name of a
	// common one replaces it.
	Refusals map[string]Refusal
	// Told are good answers in which the server tells times of the request, by name;
	// at least one. Good tells none.
	Told map[string]Told
}

// A Refusal is an answer and what it means.
type Refusal struct {
	Status int
	Body   string
	Want   results.Outcome
	// Header is the answer's, besides what net/http adds.
	Header http.Header
	// Otherwise says that the answer has a first token though the subject is
	// Whole, or none though it is not.
	Otherwise bool
}

// A road is a way to a server.
type road struct {
	name  string
	http2 bool // with net/http's client
	timed bool // in virtual time and in memory; else on loopback
}

// Run runs the suite over HTTP/1.1 in virtual time and on loopback, and over
// HTTP/2. What a server can do to a connection is for HTTP/1.1 only.
func Run(t *testing.T, s Subject) {
	for _, way := range []road{{name: "memory", timed: true}, {name: "http2", timed: true, http2: true}, {name: "loopback"}} {
		t.Run(way.name, func(t *testing.T) {
			s.polite(t, way)
			if !way.http2 {
				s.rude(t, way)
			}
		})
	}
	t.Run("bad URLs", func(t *testing.T) { s.badURLs(t) })
}

// polite runs what does not touch the connection.
func (s Subject) polite(t *testing.T, way road) {
	t.Run("good", func(t *testing.T) { s.good(t, way) })
	refusals := common(s.Refusals)
	for _, name := range slices.Sorted(maps.Keys(refusals)) {
		r := refusals[name]
		s := s
		s.Whole = s.Whole != r.Otherwise
		t.Run("refusal/"+name, func(t *testing.T) { s.expect(t, way, r.serve, r.Want, r.Status) })
	}
	t.Run("aborted before an answer", func(t *testing.T) { s.aborted(t, way, func(http.ResponseWriter) {}, 0) })
	t.Run("aborted within an answer", func(t *testing.T) {
		s.aborted(t, way, func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
		}, 200)
	})
	t.Run("told", func(t *testing.T) { s.told(t, way) })
	t.Run("many at once", func(t *testing.T) { s.many(t, way) })
}

// rude runs what breaks connections.
func (s Subject) rude(t *testing.T, way road) {
	for name, part := range map[string]int{"half an answer": 2, "all but the last byte": 1} {
		t.Run(name+", then closed", func(t *testing.T) { s.expect(t, way, s.cutAt(t, part), results.Reset, 200) })
	}
	t.Run("closed without an answer", func(t *testing.T) {
		s.expect(t, way, func(_ http.ResponseWriter, r *http.Request) { drain(r); panic(http.ErrAbortHandler) }, results.Reset, 0)
	})
	t.Run("not HTTP", func(t *testing.T) { s.expect(t, way, raw("SSH-2.0-OpenSSH_9.9\r\n\r\n"), results.Malformed, 0) })
	t.Run("endless", func(t *testing.T) { s.expect(t, way, endless, results.Malformed, 200) })
	t.Run("refused", func(t *testing.T) { s.refused(t, way) })
}

// common adds the refusals that mean the same in every protocol.
func common(own map[string]Refusal) map[string]Refusal {
	page := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	all := map[string]Refusal{
		"400":                {Status: 400, Body: `{"message":"bad"}`, Want: results.HTTP4xx},
		"404":                {Status: 404, Want: results.HTTP4xx},
		"429":                {Status: 429, Body: `{}`, Want: results.Shed},
		"500":                {Status: 500, Body: `{"message":"broke"}`, Want: results.HTTP5xx},
		"502 page":           {Status: 502, Body: `<html>bad gateway</html>`, Header: page, Want: results.HTTP5xx},
		"503 without reason": {Status: 503, Want: results.HTTP5xx},
		"500 out of memory":  {Status: 500, Body: `{"message":"CUDA out of memory. Tried to allocate 2 GiB"}`, Want: results.OOM},
		"redirect":           {Status: 302, Want: results.Malformed},
		"200 without body":   {Status: 200, Want: results.Malformed},
		"200 with a page":    {Status: 200, Body: `<html>hello</html>`, Header: page, Want: results.Malformed},
	}
	maps.Copy(all, own)
	return all
}

// serve says one thing.
func (r Refusal) serve(w http.ResponseWriter, request *http.Request) {
	drain(request)
	maps.Copy(w.Header(), r.Header)
	w.WriteHeader(r.Status)
	_, _ = io.WriteString(w, r.Body)
}

func drain(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
