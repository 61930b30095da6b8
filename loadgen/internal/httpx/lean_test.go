package httpx

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// A still loop is one whose time and connections are the test's.
type still struct {
	now    results.Offset
	conns  []*stillConn
	timers map[*pace.Timer]results.Offset
}

func (l *still) Origin() results.Origin               { return results.Origin{} }
func (l *still) Now() results.Offset                  { return l.now }
func (l *still) Set(t *pace.Timer, at results.Offset) { l.timers[t] = at }
func (l *still) Stop(t *pace.Timer)                   { delete(l.timers, t) }
func (l *still) Post(f func()) bool                   { panic("a post") }
func (l *still) Run()                                 {}
func (l *still) Quit()                                {}
func (l *still) Close() error                         { return nil }
func (l *still) Usage() pace.Usage                    { return pace.Usage{} }

func (l *still) Connect(to netip.AddrPort, h pace.Handler) pace.Conn {
	c := &stillConn{h: h, to: to}
	l.conns = append(l.conns, c)
	return c
}

func (l *still) Adopt(func(context.Context) (net.Conn, error), pace.Handler) pace.Conn {
	panic("adopted")
}

// A stillConn holds what was written last.
type stillConn struct {
	h          pace.Handler
	to         netip.AddrPort
	head, body []byte
	unwritten  int
	ended      bool
	closed     bool
}

func (c *stillConn) Write(head, body []byte) { c.head, c.body = head, body }
func (c *stillConn) Unwritten() int          { return c.unwritten }
func (c *stillConn) Ended() bool             { return c.ended }
func (c *stillConn) Close()                  { c.closed = true }

// counts is a Reader that keeps nothing.
type counts struct{ x *loadgen.Exchange }

func (c *counts) Begin(_ *Request, h Header, x *loadgen.Exchange) { c.x = x; h.Field("Content-Type") }
func (c *counts) Body(_ []byte, at results.Offset) bool           { c.x.Content(at); return false }
func (c *counts) End(results.Offset)                              {}

// stillLine makes a lean line on a still loop.
func stillLine(t testing.TB, base string, transport Transport) (*still, *lean) {
	u, err := ParseBase(base)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Base: u, Transport: transport, NewReader: func() Reader { return new(counts) }})
	if err != nil {
		t.Fatal(err)
	}
	l := &still{timers: map[*pace.Timer]results.Offset{}}
	line, err := c.Open(l)
	if err != nil {
		t.Fatal(err)
	}
	return l, line.(*lean)
}

var answered = map[string][]string{
	"length":  {"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nContent-Type: application/json\r\n\r\n{\"ok\":true}"},
	"stream":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chu", "nked\r\n\r\n5\r\nhello\r\n", "5\r\nhel", "lo\r\n", "5\r\nhello\r\n0\r\n\r\n"},
	"interim": {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
}

// exchange gives a function that makes one exchange.
func exchange(t testing.TB, name string) func() {
	l, line := stillLine(t, "http://127.0.0.1:1/base/", Transport{})
	var pieces [][]byte
	for _, p := range answered[name] {
		pieces = append(pieces, []byte(p))
	}
	request := &Request{Method: "POST", Path: "/p", Fields: []Field{{"Content-Type", "image/jpeg"}}, Body: make([]byte, 100<<10)}
	dones := 0
	x := &loadgen.Exchange{Done: func(x *loadgen.Exchange) {
		if dones++; x.Answer.Outcome != results.OK {
			t.Errorf("%s: %+v", name, x.Answer)
		}
	}}
	n := 0
	return func() {
		line.Send(request, x)
		c := l.conns[0]
		if n++; n == 1 {
			c.h.Connected()
		}
		for _, p := range pieces {
			l.now++
			c.h.Received(p, l.now)
		}
		if dones != n || len(l.conns) != 1 {
			t.Fatalf("%s: %d of %d exchanges are done, over %d connections", name, dones, n, len(l.conns))
		}
	}
}

func TestNothingIsAllocatedPerRequest(t *testing.T) {
	for name := range answered {
		one := exchange(t, name)
		one()
		if n := testing.AllocsPerRun(100, one); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// The client's own work for a request, without the system's.
func BenchmarkExchange(b *testing.B) {
	for name := range answered {
		b.Run(name, func(b *testing.B) {
			one := exchange(b, name)
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}

// What is sent is what was prepared, and what the client adds.
func TestRequestBytes(t *testing.T) {
	body := []byte("hi")
	for _, c := range []struct {
		base      string
		transport Transport
		request   Request
		want      string
	}{
		{"http://127.0.0.1:8080", Transport{}, Request{Method: "POST", Path: "/p?q=1", Fields: []Field{{"A", "b"}, {"C", "d"}}, Body: body}, "POST /p?q=1 HTTP/1.1|Host: 127.0.0.1:8080|A: b|C: d|Content-Length: 2||"},
		{"http://127.0.0.1/", Transport{Gzip: true}, Request{Method: "GET", Path: "/", Close: true}, "GET / HTTP/1.1|Host: 127.0.0.1|Connection: close|Accept-Encoding: gzip||"},
		{"http://[::1]:1/a%2Fb/", Transport{Gzip: true}, Request{Method: "POST", Path: "/p", Stream: true}, "POST /a%2Fb/p HTTP/1.1|Host: [::1]:1|Content-Length: 0||"},
	} {
		l, line := stillLine(t, c.base, c.transport)
		line.Send(&c.request, &loadgen.Exchange{})
		l.conns[0].h.Connected()
		if got := strings.ReplaceAll(string(l.conns[0].head), "\r\n", "|"); got != c.want {
			t.Errorf("%s:\n%s\n%s", c.base, got, c.want)
		}
		if string(l.conns[0].body) != string(c.request.Body) {
			t.Errorf("%s: the body is %q", c.base, l.conns[0].body)
		}
	}
}

// A body that is the request's own image weighs nothing more.
func TestWeight(t *testing.T) {
	image := make([]byte, 100)
	for name, c := range map[string]struct {
		body []byte
		of   loadgen.Request
		want int64
	}{
		"the image":         {image, loadgen.Request{Image: image}, 0},
		"beside an image":   {make([]byte, 50, 70), loadgen.Request{Image: image}, 70},
		"without an image":  {make([]byte, 50), loadgen.Request{}, 50},
		"nothing":           {nil, loadgen.Request{Image: image}, 0},
		"nothing and empty": {[]byte{}, loadgen.Request{Image: []byte{}}, 0},
	} {
		var w loadgen.Weighed = &Request{Body: c.body}
		if got := w.Weight(&c.of); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// The connection that was used last is used first; old ones, and those that the
// server ended or spoke on, are not used.
func TestPool(t *testing.T) {
	l, line := stillLine(t, "http://127.0.0.1:1", Transport{})
	request := &Request{Method: "POST", Path: "/"}
	answer := []byte(answered["length"][0])
	done := func(*loadgen.Exchange) {}
	send := func() *stillConn {
		before := len(l.conns)
		for _, c := range l.conns {
			c.head = nil
		}
		line.Send(request, &loadgen.Exchange{Done: done})
		if len(l.conns) > before {
			l.conns[before].h.Connected()
		}
		for _, c := range l.conns {
			if c.head != nil {
				return c
			}
		}
		t.Fatal("nothing was sent")
		return nil
	}
	a, b, c := send(), send(), send()
	for i, x := range []*stillConn{c, a, b} {
		l.now += results.Offset(i)
		x.h.Received(answer, l.now)
	}
	if x := send(); x != b {
		t.Error("the one used last was not used first")
	} else {
		x.h.Received(answer, l.now)
	}
	b.h.Closed(net.ErrClosed)
	a.h.Received([]byte("HTTP/1.1 408 Request Timeout\r\n\r\n"), l.now)
	if x := send(); x != c || !a.closed || !b.closed {
		t.Error("a connection that has ended was used")
	} else {
		x.h.Received(answer, l.now)
	}
	limit := results.Offset(line.client.Transport.IdleLimit)
	l.now += limit
	if x := send(); x != c {
		t.Error("one idle for the limit was not used")
	} else {
		x.h.Received(answer, l.now)
	}
	l.now += limit + 1
	if x := send(); x == c || !c.closed || len(l.conns) != 4 {
		t.Error("one idle for longer than the limit was used")
	}
	line.Close()
	for i, c := range l.conns {
		if !c.closed {
			t.Errorf("connection %d is open", i)
		}
	}
	if len(line.conns) != 0 || len(line.idle) != 0 {
		t.Errorf("%d connections, %d idle", len(line.conns), len(line.idle))
	}
}

// A connection that the server is known to have ended is not used again, also if
// the next request is sent before the connection tells, as from Done.
func TestEndedIsNotUsed(t *testing.T) {
	for ended, conns := range map[string]int{"never": 1, "with the answer": 2, "after it": 2} {
		l, line := stillLine(t, "http://127.0.0.1:1", Transport{})
		request := &Request{Method: "POST", Path: "/"}
		second := &loadgen.Exchange{Done: func(*loadgen.Exchange) {}}
		first := &loadgen.Exchange{Done: func(*loadgen.Exchange) {
			l.conns[0].ended = ended != "never"
			line.Send(request, second)
		}}
		if ended == "after it" {
			first.Done = func(*loadgen.Exchange) {}
		}
		line.Send(request, first)
		conn := l.conns[0]
		conn.h.Connected()
		conn.h.Received([]byte(answered["length"][0]), 7)
		if ended == "after it" {
			conn.ended = true
			line.Send(request, second)
		}
		if len(l.conns) != conns || conn.closed != (conns > 1) || first.Answer.Outcome != results.OK {
			t.Errorf("ended %s: %d connections, the first closed %v, answer %+v", ended, len(l.conns), conn.closed, first.Answer)
		}
	}
}

// stops is a Reader that has enough after the first bytes.
type stops struct{ counts }

func (s *stops) Body(p []byte, at results.Offset) bool { s.counts.Body(p, at); return true }

// When an answer is complete, its exchange is; the rest is read for a while, and
// then the connection is used again, or not.
func TestRest(t *testing.T) {
	const head, rest = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", "\r\n5\r\nhello\r\n0\r\n\r\n"
	long := "\r\n" + strings.Repeat("800\r\n"+strings.Repeat("x", 0x800)+"\r\n", maxRest/0x800)
	for name, c := range map[string]struct {
		close  bool
		first  string
		later  []string
		kept   bool
		closed bool
	}{
		"at once":       {false, head + rest, nil, true, false},
		"later":         {false, head, []string{rest[:4], rest[4:]}, true, false},
		"not yet":       {false, head, []string{rest[:4]}, false, false},
		"long":          {false, head, []string{long}, false, false},
		"too long":      {false, head, []string{long, "1\r\nx\r\n"}, false, true},
		"malformed":     {false, head, []string{"\r\nhello\r\n"}, false, true},
		"more than all": {false, head, []string{rest + "HTTP"}, false, true},
		"not wanted":    {true, head, nil, false, true},
		"not kept":      {false, strings.Replace(head, "OK\r\n", "OK\r\nConnection: close\r\n", 1), nil, false, true},
	} {
		l, line := stillLine(t, "http://127.0.0.1:1", Transport{})
		line.client.NewReader = func() Reader { return new(stops) }
		dones := 0
		x := &loadgen.Exchange{Done: func(*loadgen.Exchange) { dones++ }}
		line.Send(&Request{Method: "POST", Path: "/", Close: c.close}, x)
		conn := l.conns[0]
		conn.h.Connected()
		conn.h.Received([]byte(c.first), 7)
		if dones != 1 || x.Answer.Done != 7 || x.Answer.BytesRead != 5 || x.Answer.Outcome != results.OK {
			t.Errorf("%s: %d times done: %+v", name, dones, x.Answer)
		}
		for _, p := range c.later {
			conn.h.Received([]byte(p), 8)
		}
		if conn.closed != c.closed || dones != 1 {
			t.Errorf("%s: closed %v", name, conn.closed)
		}
		if waits := !c.kept && !c.closed; len(l.timers) != map[bool]int{true: 1}[waits] {
			t.Errorf("%s: %d timers", name, len(l.timers))
		}
		for timer, at := range l.timers {
			if timer.F(); !conn.closed || at != results.Offset(line.client.Transport.IdleLimit) {
				t.Errorf("%s: not closed when the rest did not come until %v", name, at)
			}
		}
		line.Send(&Request{Method: "POST", Path: "/"}, x)
		if (len(l.conns) == 1) != c.kept {
			t.Errorf("%s: %d connections", name, len(l.conns))
		}
	}
}

// A connection with bytes of a request that was answered is not used again.
func TestEarlyAnswer(t *testing.T) {
	for unwritten, sent := range map[int]int64{0: 10, 1: 9, 10: 0, 50: 0} {
		l, line := stillLine(t, "http://127.0.0.1:1", Transport{})
		x := &loadgen.Exchange{Done: func(*loadgen.Exchange) {}}
		line.Send(&Request{Method: "POST", Path: "/", Body: make([]byte, 10)}, x)
		conn := l.conns[0]
		conn.h.Connected()
		conn.unwritten = unwritten
		conn.h.Received([]byte(answered["length"][0]), 7)
		if x.Answer.Outcome != results.OK || x.Answer.BytesSent != sent || conn.closed != (unwritten > 0) {
			t.Errorf("%d bytes unwritten: closed %v, %+v", unwritten, conn.closed, x.Answer)
		}
	}
}
