package httpx

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/evabench/evabench/internal/hostile"
	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/memnet"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// A texts reader takes any JSON text, and a stream that says [DONE].
type texts struct {
	x      *loadgen.Exchange
	stream bool
	text   []byte
}

func (t *texts) Begin(r *Request, h Header, x *loadgen.Exchange) {
	t.x, t.stream, t.text = x, string(h.Field("content-TYPE")) == "text/event-stream", t.text[:0]
}

func (t *texts) Body(p []byte, at results.Offset) bool {
	t.x.Content(at)
	t.text = append(t.text, p...)
	if !t.stream {
		return false
	}
	done := bytes.Contains(t.text, []byte(hostile.Done))
	t.text = t.text[max(0, len(t.text)-len(hostile.Done)):]
	return done
}

func (t *texts) End(results.Offset) {
	switch {
	case t.stream:
		t.x.Answer.Outcome, t.x.Answer.Detail = results.Reset, "the stream has no end"
	case !json.Valid(t.text):
		t.x.Answer.Outcome, t.x.Answer.Detail = results.Malformed, "no JSON"
	}
}

// A subject is a client over some kind of network.
type subject struct {
	name    string
	memory  bool // in memory and virtual time
	loop    func(results.Origin) (pace.Loop, error)
	guesses bool          // is net/http
	pause   time.Duration // between exchanges
	to      *place        // not what the base URL says
}

func timed(o results.Origin) (pace.Loop, error) { return pace.NewTimed(o), nil }

var subjects = []subject{
	{name: "lean over TCP", loop: pace.New},
	{name: "lean over TCP, timed loop", loop: timed},
	{name: "lean in memory", loop: timed, memory: true},
	{name: "net-http over TCP", loop: pace.New, guesses: true},
	{name: "net-http in memory", loop: timed, memory: true, guesses: true},
}

// mayNotKeep reports whether a client may let a connection go that it could keep:
// net/http does if its own writer has not said within 50 ms that all is written, or
// if the next request comes before it has looked for a stream's end.
func (s subject) mayNotKeep() bool { return s.guesses && !s.memory }

// patient gives exchanges over TCP an age to begin and to pause in: a machine that
// stands still is no fault of theirs.
func patient(t Transport) Transport {
	t.ConnectTimeout, t.IdleLimit = time.Hour, time.Hour
	return t
}

// A trial is a line and the exchanges sent over it, one after another.
type trial struct {
	t       *testing.T
	loop    pace.Loop
	line    loadgen.Line
	request *Request
	left    int
	pause   time.Duration
	x       loadgen.Exchange
	got     []loadgen.Answer
}

// run sends n requests.
func (tr *trial) run(n int) []loadgen.Answer {
	tr.left = n
	again := pace.Timer{F: tr.send}
	tr.x.Done = func(x *loadgen.Exchange) {
		tr.got = append(tr.got, x.Answer)
		if tr.left--; tr.left == 0 {
			tr.loop.Quit()
		} else {
			tr.loop.Set(&again, tr.loop.Now().Add(tr.pause))
		}
	}
	tr.loop.Post(tr.send)
	tr.loop.Run()
	return tr.got
}

func (tr *trial) send() {
	before := len(tr.got)
	tr.line.Send(tr.request, &tr.x)
	if len(tr.got) != before {
		tr.t.Error("Done was called from within Send")
	}
}

// abort ends the exchange on its way when it has got the status; it may be
// called from anywhere.
func (tr *trial) abort(status int) {
	tr.loop.Post(func() {
		switch before := len(tr.got); {
		case tr.x.State == nil:
			tr.t.Error("the exchange was complete before its time limit")
		case tr.x.Answer.Status != status:
			tr.abort(status)
		default:
			if tr.line.Abort(&tr.x, results.Timeout); len(tr.got) != before+1 {
				tr.t.Error("Done was not called within Abort")
			}
		}
	})
}

// requestOf makes the request that a case asks for.
func requestOf(t *testing.T, a hostile.Ask) *Request {
	r := &Request{
		Method: "POST", Path: "/ask", Close: a.Close, Stream: a.Stream,
		Fields: []Field{{"Content-Type", "text/plain"}}, Body: bytes.Repeat([]byte("x"), a.Size),
	}
	if a.Method != "" {
		r.Method = a.Method
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	return r
}

// testLimit is MaxAnswer in these tests, in bytes: the real one takes long with
// the race detector.
const testLimit = 12 << 20

// sheds says of a 503 that speaks of a queue that it sheds load.
func sheds(body []byte) bool { return bytes.Contains(body, []byte("queue")) }

// with runs f with a line to a server.
func (s subject) with(t *testing.T, c Config, server *hostile.Server, status int, f func(*trial)) {
	if c.NewReader == nil {
		c.NewReader = func() Reader { return new(texts) }
	}
	c.Sheds = sheds
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.limits.answer = testLimit
	loop, err := s.loop(results.NewOrigin(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	line, err := client.Open(loop)
	if err != nil {
		t.Fatal(err)
	}
	if s.guesses || s.to != nil {
		to := s.to
		if to == nil {
			to = &place{addr: client.addr()}
		}
		to.client = client
		if s.to == nil && c.Dial == nil {
			to.lookUp()
		}
		if line = openLean(client, loop, to); s.guesses {
			line = openNet(client, loop, to)
		}
	}
	tr := &trial{t: t, loop: loop, line: line, pause: s.pause}
	over := make(chan struct{})
	var watch sync.WaitGroup
	if server != nil {
		watch.Go(func() {
			for {
				select {
				case <-server.Hung:
					tr.abort(status)
				case <-over:
					return
				}
			}
		})
	}
	f(tr)
	close(over)
	watch.Wait()
	line.Close()
	if err := loop.Close(); err != nil {
		t.Error(err)
	}
}

// try runs one case against a client.
func (s subject) try(t *testing.T, c hostile.Case, wrap func(net.Conn) net.Conn, config Config) {
	scheme := "http"
	if wrap != nil {
		scheme = "https"
	}
	var listener net.Listener
	base := scheme + "://server"
	if s.memory {
		l := memnet.Listen()
		listener, config.Dial = l, l.Dial
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener, base, config.Transport = l, scheme+"://"+l.Addr().String(), patient(config.Transport)
	}
	if s.mayNotKeep() && c.Conns == 1 {
		c.Conns = 0
	}
	var err error
	if config.Base, err = ParseBase(base); err != nil {
		t.Fatal(err)
	}
	config.Transport.Gzip = c.Ask.Gzip
	server := hostile.Serve(listener, c, wrap)
	defer server.Close()
	s.with(t, config, server, c.Status, func(tr *trial) {
		tr.request = requestOf(t, c.Ask)
		s.judge(t, c, tr.run(len(c.Want)), int64(c.Ask.Size))
	})
	if n := server.Conns(); c.Conns != 0 && n != c.Conns {
		t.Errorf("%d connections, want %d", n, c.Conns)
	}
}

// judge holds the answers against what the case wants.
func (s subject) judge(t *testing.T, c hostile.Case, got []loadgen.Answer, size int64) {
	want, guessed := c.Want, s.guesses && c.Guesses != nil
	if guessed {
		want = c.Guesses
	}
	for i, a := range got {
		if a.Outcome != want[i] {
			t.Errorf("exchange %d: %v, status %d (%s); want %v", i, a.Outcome, a.Status, a.Detail, want[i])
		}
		if (a.Detail == "") != (a.Outcome == results.OK) || len(a.Detail) > 512 || strings.Contains(a.Detail, "\n") {
			t.Errorf("exchange %d: %v has the detail %q", i, a.Outcome, a.Detail)
		}
		if a.Done == results.NoOffset || a.BytesSent > size || a.Outcome == results.OK && a.BytesSent != size {
			t.Errorf("exchange %d: %d of %d bytes sent, done at %v", i, a.BytesSent, size, a.Done)
		}
	}
	last := got[len(got)-1]
	if !guessed && (last.Status != c.Status || !strings.Contains(last.Detail, c.Detail)) {
		t.Errorf("status %d (%s), want %d and %q", last.Status, last.Detail, c.Status, c.Detail)
	}
}

// Whatever a server does, both clients say the same of it, and nothing is left
// behind.
func TestConformance(t *testing.T) {
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			for _, c := range hostile.Cases(hostile.Plain, testLimit) {
				s := s
				if s.mayNotKeep() && (c.Unasked || c.Conns == 1 && c.Want[0] != c.Want[len(c.Want)-1]) {
					continue // what comes next is sure in virtual time only
				}
				if s.guesses && c.Unasked {
					s.pause = time.Millisecond
				}
				t.Run(c.Name, func(t *testing.T) {
					if s.memory {
						synctest.Test(t, func(t *testing.T) { s.try(t, c, nil, Config{}) })
						return
					}
					defer leaks.None(t, goleak.IgnoreCurrent())
					s.try(t, c, nil, Config{})
				})
			}
		})
	}
}
