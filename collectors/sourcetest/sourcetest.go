// Package sourcetest checks what callers rely on in every kind of source. It
// is for tests.
package sourcetest

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/results"
)

// subject is the target's subject in all checks.
var subject = results.Subject{Kind: results.SubjectEndpoint, ID: "agent-0"}

// Page checks a source that reads a server; good serves what it must be able
// to read.
func Page(t *testing.T, source collectors.Source, good http.Handler) {
	t.Run("reads", func(t *testing.T) { reads(t, source, good) })
	t.Run("refuses URLs", func(t *testing.T) {
		for _, url := range []string{"", "localhost:8000", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:1/?x=1", "http://127.0.0.1:1/#x", "http://[", "\x00"} {
			if _, err := source.Collector(collectors.Target{Subject: subject, URL: url}); err == nil {
				t.Errorf("%q: no error", url)
			}
		}
	})
	for name, handler := range broken() {
		t.Run(name, func(t *testing.T) {
			readings, err := readOnce(t, t.Context(), source, handler)
			if err == nil || len(readings) > 0 {
				t.Errorf("got %v and %v, want an error alone", readings, err)
			}
			if name == "too large" && (err == nil || !strings.Contains(err.Error(), "larger than 16 MiB")) {
				t.Errorf("got %v, want that the page is too large", err)
			}
			if name == "empty" && !errors.Is(err, page.ErrEmpty) {
				t.Errorf("got %v, want that an empty page is no evidence", err)
			}
		})
	}
	t.Run("never-ending", func(t *testing.T) { neverEnding(t, source) })
	t.Run("nobody there", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		c := collector(t, source, server.URL)
		if readings, err := c.Read(t.Context()); err == nil || len(readings) > 0 {
			t.Errorf("got %v and %v, want an error alone", readings, err)
		}
	})
}

// reads checks that a good page is read twice, over one connection at most,
// and not before it is asked for.
func reads(t *testing.T, source collectors.Source, good http.Handler) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		good.ServeHTTP(w, r)
	}))
	defer server.Close()
	for _, url := range []string{server.URL, server.URL + "/"} {
		requests.Store(0)
		c := collector(t, source, url)
		if n := requests.Load(); n > 0 {
			t.Errorf("%d requests before the first read", n)
		}
		for range 2 {
			readings, err := c.Read(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", url, err)
			}
			Readings(t, readings)
			for _, r := range readings {
				if r.Subject.Kind != subject.Kind || r.Subject.ID != subject.ID {
					t.Errorf("reading of another subject: %+v", r)
				}
			}
		}
	}
}

// Local checks a source that reads no server.
func Local(t *testing.T, source collectors.Source) {
	t.Helper()
	if _, err := source.Collector(collectors.Target{Subject: subject, URL: "http://127.0.0.1:1"}); err == nil {
		t.Error("a URL for a source that has none: no error")
	}
	c := collector(t, source, "")
	for range 2 {
		readings, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		Readings(t, readings)
	}
}

// Readings checks what every answer of a source must be: not empty, finite
// numbers with series and base unit, each series once per subject.
func Readings(t *testing.T, readings []collectors.Reading) {
	t.Helper()
	units := map[string]bool{"1": true, "s": true, "B": true, "W": true, "J": true, "Hz": true, "ratio": true, "°C": true, "B/s": true}
	type key struct {
		results.Subject
		series string
	}
	seen := make(map[key]bool)
	if len(readings) == 0 {
		t.Error("no readings and no error")
	}
	for _, r := range readings {
		k := key{r.Subject, r.Series}
		if seen[k] || r.Series == "" || !units[r.Unit] || r.Subject.Kind == "" || math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
			t.Errorf("not a reading, or one that is there twice: %+v", r)
		}
		seen[k] = true
		if r.Unit == "ratio" && (r.Value < 0 || r.Value > 1.01) { // a source's own two clocks may make it a hair more than 1
			t.Errorf("not a share of one: %+v", r)
		}
	}
}

// broken gives pages that no source may take for evidence.
func broken() map[string]http.HandlerFunc {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	return map[string]http.HandlerFunc{
		"empty":      status(200, ""),
		"blank":      status(200, " \n\n"),
		"comments":   status(200, "# HELP a b\n# TYPE a gauge\n"),
		"html":       status(200, "<!DOCTYPE html><html><body>Welcome</body></html>"),
		"another":    status(200, "up 1\n"),
		"json":       status(200, "{}"),
		"fault":      status(500, "broken"),
		"absent":     status(404, "no such page"),
		"off":        status(501, `{"error":{"message":"This server does not support metrics endpoint."}}`),
		"no content": status(204, ""),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		},
		"truncated": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "vllm:num_requests_running 1\n")
		},
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			line := make([]byte, 1<<16)
			for i := range line {
				line[i] = '#'
			}
			line[len(line)-1] = '\n'
			for n := 0; n <= page.Limit; n += len(line) {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		},
	}
}

// neverEnding checks that a read of a page without end is over when its
// context is.
func neverEnding(t *testing.T, source collectors.Source) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	readings, err := readOnce(t, ctx, source, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "# begun\n")
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	})
	if !errors.Is(err, context.Canceled) || len(readings) > 0 {
		t.Errorf("got %v and %v, want that the context ended", readings, err)
	}
}

func collector(t *testing.T, source collectors.Source, url string) collectors.Collector {
	t.Helper()
	c, err := source.Collector(collectors.Target{Subject: subject, URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if closer, ok := c.(io.Closer); ok {
		t.Cleanup(func() { _ = closer.Close() })
	}
	return c
}

func readOnce(t *testing.T, ctx context.Context, source collectors.Source, handler http.HandlerFunc) ([]collectors.Reading, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	c := collector(t, source, server.URL)
	if closer, ok := c.(io.Closer); ok {
		defer closer.Close()
	}
	return c.Read(ctx)
}

// Text reads a page's text from a server and gives the readings as
// "series[detail]" → value.
func Text(t *testing.T, source collectors.Source, text string) (map[string]float64, error) {
	t.Helper()
	readings, err := readOnce(t, t.Context(), source, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, text)
	})
	return Values(readings), err
}

// Values gives readings as "series" or "series[detail]" → value.
func Values(readings []collectors.Reading) map[string]float64 {
	values := make(map[string]float64)
	for _, r := range readings {
		name := r.Series
		if r.Subject.Detail != "" {
			name += "[" + r.Subject.Detail + "]"
		}
		values[name] = r.Value
	}
	return values
}
