package httpx

import (
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/evabench/evabench/internal/hostile"
	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// HTTP/2 and proxies give the outcomes that HTTP/1.1 gives.
func TestOtherWays(t *testing.T) {
	for _, way := range []struct {
		name           string
		secure, h2, px bool
	}{{"h2", true, true, false}, {"h2c", false, true, false}, {"proxy", false, false, true}, {"tunnel", true, false, true}, {"h2 in a tunnel", true, true, true}} {
		for path, c := range ways {
			t.Run(way.name+path, func(t *testing.T) {
				defer leaks.None(t, goleak.IgnoreCurrent())
				var conns atomic.Int64
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if want := map[bool]int{true: 2, false: 1}[way.h2]; r.ProtoMajor != want || r.URL.Path != "/base"+path || r.Header.Get("X") != "y" {
						t.Errorf("HTTP/%d, path %s, header %v", r.ProtoMajor, r.URL.Path, r.Header)
					}
					c.serve(w, r)
				}))
				server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
					if s == http.StateNew {
						conns.Add(1)
					}
				}
				defer server.Close()
				config := Config{Transport: patient(Transport{HTTP: map[bool]string{true: "2"}[way.h2]})}
				if way.secure {
					server.EnableHTTP2 = way.h2
					server.StartTLS()
					config.Transport.TLS.CAFile = filepath.Join(t.TempDir(), "ca.pem")
					text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
					if err := os.WriteFile(config.Transport.TLS.CAFile, text, 0o600); err != nil {
						t.Fatal(err)
					}
				} else {
					server.Config.Protocols = new(http.Protocols)
					server.Config.Protocols.SetHTTP1(!way.h2)
					server.Config.Protocols.SetUnencryptedHTTP2(way.h2)
					server.Start()
				}
				if way.px {
					proxy := httptest.NewServer(http.HandlerFunc(forward))
					defer proxy.Close()
					config.Transport.Proxy = proxy.URL
				}
				var err error
				if config.Base, err = ParseBase(server.URL + "/base"); err != nil {
					t.Fatal(err)
				}
				subject{loop: pace.New}.with(t, config, nil, c.status, func(tr *trial) {
					tr.request = &Request{Method: "POST", Path: path, Fields: []Field{{"X", "y"}}, Body: make([]byte, 1<<20), Stream: true, Close: way.h2}
					for i, a := range tr.run(2) {
						if a.Outcome != c.want || a.Status != c.status || a.Outcome == results.OK && a.BytesSent != 1<<20 {
							t.Errorf("exchange %d: %v, status %d, %d bytes sent (%s)", i, a.Outcome, a.Status, a.BytesSent, a.Detail)
						}
					}
				})
				if n := conns.Load(); c.want == results.OK && !way.px && n != 1 {
					t.Errorf("%d connections", n)
				}
			})
		}
	}
}

// ways are the paths that are asked for, and what is said there.
var ways = map[string]struct {
	serve  http.HandlerFunc
	want   results.Outcome
	status int
}{
	"/good": {func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, hostile.Good)
	}, results.OK, 200},
	"/stream": {func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, hostile.Event+hostile.Done)
	}, results.OK, 200},
	"/cut": {func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "11")
		_, _ = io.WriteString(w, hostile.Good[:5])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, results.Reset, 200},
	"/redirect": {func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}, results.Malformed, 302},
	"/busy": {func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "queue")
	}, results.Shed, 503},
}

// forward is a proxy.
func forward(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
		r.RequestURI = ""
		response, err := transport.RoundTrip(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer response.Body.Close()
		for name, values := range response.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(response.StatusCode)
		if _, err := io.Copy(w, response.Body); err != nil {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		return
	}
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer to.Close()
	w.WriteHeader(http.StatusOK)
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer from.Close()
	go func() {
		_, _ = io.Copy(to, buffered)
		to.Close()
	}()
	_, _ = io.Copy(from, to)
}
