// Package page serves a run that goes on, as a small web page, as JSON and as a page for
// Prometheus. It can be looked at only: nothing that is sent to it changes anything.
package page

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/evabench/evabench/progress"
)

//go:embed page.html
var html []byte

//go:embed page.css
var css []byte

//go:embed page.js
var js []byte

// A Page is a [progress.Consumer] and an [http.Handler]. The zero value is a page of a
// run that did not begin yet. It is safe for concurrent use.
type Page struct {
	mu    sync.Mutex
	state progress.State
	kept  map[string]kept // by form
}

// kept is what was answered last.
type kept struct {
	at   time.Time
	body []byte
}

// renderEvery bounds how often the state is rendered in each form, so that viewers,
// however many and eager, take little from the load.
const renderEvery = 250 * time.Millisecond

// Take takes an event; the next answer tells of it.
func (p *Page) Take(e progress.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Take(e)
}

// Close does nothing: what was told last can be asked for until the server ends.
func (p *Page) Close() error { return nil }

// A view is what /state.json answers: the state, and what the passing of time makes of it.
type view struct {
	Now time.Time `json:"now"`
	// LeftSeconds is how long the sweep still takes; null where nobody knows.
	LeftSeconds *float64 `json:"left_seconds"`
	Share       float64  `json:"share"`
	CellShare   float64  `json:"cell_share"`
	Words       string   `json:"words"`
	Doing       string   `json:"doing"`
	*progress.State
}

func (p *Page) view(now time.Time) ([]byte, error) {
	s := &p.state
	v := view{Now: now.UTC(), Share: s.Share(now), CellShare: s.CellShare(now), Words: "not begun", Doing: s.Doing(), State: s}
	if !s.Begun.IsZero() {
		v.Words = s.Words(now)
	}
	if left, ok := s.Left(now); ok {
		seconds := left.Seconds()
		v.LeftSeconds = &seconds
	}
	return json.Marshal(v)
}

// render gives the state in a form, made anew if the last is too old.
func (p *Page) render(form string, f func(now time.Time) ([]byte, error)) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if k, ok := p.kept[form]; ok && now.Sub(k.at) < renderEvery {
		return k.body, nil
	}
	body, err := f(now)
	if err != nil {
		return nil, err
	}
	if p.kept == nil {
		p.kept = map[string]kept{}
	}
	p.kept[form] = kept{now, body}
	return body, nil
}

// ServeHTTP answers GET and HEAD of /, /state.json and /metrics.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "this page can be looked at only", http.StatusMethodNotAllowed)
		return
	}
	var body []byte
	var err error
	kind := "text/html; charset=utf-8"
	switch r.URL.Path {
	case "/":
		body = html
	case "/page.css":
		kind, body = "text/css; charset=utf-8", css
	case "/page.js":
		kind, body = "text/javascript; charset=utf-8", js
	case "/state.json":
		kind = "application/json"
		body, err = p.render("json", p.view)
	case "/metrics":
		kind = "text/plain; version=0.0.4; charset=utf-8"
		body, err = p.render("metrics", p.metrics)
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", kind)
	_, _ = w.Write(body) // a viewer who went away
}

// maxViewers is how many connections there can be at once.
const maxViewers = 32

// A Server serves a Page at an address.
type Server struct {
	URL string // of the page
	// Open says that other machines can reach it.
	Open   bool
	server *http.Server
	done   chan struct{}
}

// ErrAddress says that an address is not of the form that Serve takes.
var ErrAddress = errors.New("no address; say HOST:PORT, or :PORT for this machine alone")

// Serve serves a page at HOST:PORT until Close. Without a host it is this machine's
// loopback; port 0 is any free one. The error is [ErrAddress] or the network's.
func Serve(p *Page, address string) (*Server, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%q is %w", address, ErrAddress)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	at := l.Addr().(*net.TCPAddr)
	s := &Server{URL: "http://" + at.String() + "/", Open: !at.IP.IsLoopback(), done: make(chan struct{})}
	handler := http.Handler(p)
	if !s.Open {
		handler = ofThisMachine(p)
	}
	s.server = &http.Server{
		Handler: limited(handler, newLimiter()), MaxHeaderBytes: 16 << 10,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 5 * time.Second,
	}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(netutil.LimitListener(l, maxViewers)) // it ends with Close
	}()
	return s, nil
}

// Close ends the server and its connections.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}

// ofThisMachine refuses requests that name another host: a page elsewhere whose name
// was made to lead here would read this one.
func ofThisMachine(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if addr, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !addr.IsLoopback()) {
			http.Error(w, "this page is for this machine alone", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
