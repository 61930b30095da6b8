package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// A listener is one HTTP server on loopback.
type listener struct {
	url     string
	address string
	http    *http.Server
	done    chan struct{}

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// CheckAddress says what is wrong with an address of [Options]. Empty is good.
func CheckAddress(addr string) error {
	if addr == "" {
		return nil
	}
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !a.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("address %q: a simulated server listens on loopback only; use 127.0.0.1:PORT", addr)
	}
	return nil
}

// listen serves h at addr, which may be empty for any port; every answer
// carries the server's name and scale.
func (s *server) listen(addr string, h http.Handler) (*listener, error) {
	if err := CheckAddress(addr); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l, err := net.Listen("tcp", cmp.Or(addr, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return serve(l, s.marked(h)), nil
}

// serve lets a listener answer with h until it is closed.
func serve(l net.Listener, h http.Handler) *listener {
	s := &listener{url: "http://" + l.Addr().String(), address: l.Addr().String(), done: make(chan struct{})}
	s.http = &http.Server{Handler: s.count(h), ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(s.done)
		s.http.Serve(l) // always ends with ErrServerClosed, by close
	}()
	return s
}

// count lets close wait for the calls in flight.
func (s *listener) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		s.calls.Add(1)
		s.mu.Unlock()
		defer s.calls.Done()
		h.ServeHTTP(w, r)
	})
}

// close ends connections, as the end of a process does, and waits for the
// handlers.
func (s *listener) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.http.Close()
	<-s.done
	s.calls.Wait()
}

// marked lets every answer say what it comes from.
func (s *server) marked(h http.Handler) http.Handler {
	scale := strconv.FormatFloat(s.driver.scale, 'f', -1, 64)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(Header, s.name)
		w.Header().Set(ScaleHeader, scale)
		h.ServeHTTP(w, r)
	})
}

// writeJSON answers; a client that is gone is no fault of ours.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("sim: answer: %v", err)) // our own types always encode
	}
	if _, set := w.Header()["Content-Type"]; !set {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	w.Write(body)
}
