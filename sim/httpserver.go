package sim

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// A listener is one HTTP server on loopback.
type listener struct {
	url  string
	http *http.Server
	done chan struct{}

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// listen serves h at addr; every answer carries the server's name.
func listen(addr, server string, h http.Handler) (*listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen on %s: a simulated server listens on loopback addresses only", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &listener{url: "http://" + l.Addr().String(), done: make(chan struct{})}
	s.http = &http.Server{Handler: s.count(marked(server, h)), ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(s.done)
		s.http.Serve(l) // always ends with ErrServerClosed, by close
	}()
	return s, nil
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

func marked(server string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(Header, server)
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
