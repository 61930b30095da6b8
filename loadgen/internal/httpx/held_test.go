package httpx

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// asked sends a request and gives its connection, too.
func asked(line *lean, r *Request) (*stillConn, *loadgen.Exchange) {
	x := &loadgen.Exchange{Done: func(*loadgen.Exchange) {}}
	line.Send(r, x)
	c := x.State.(*conn)
	if c.state == dialing {
		c.Connected()
	}
	return c.wire.(*stillConn), x
}

// What a line's answers hold at once is bounded, and given back with them,
// however they end.
func TestHeld(t *testing.T) {
	_, line := stillLine(t, "http://127.0.0.1:1", Transport{})
	line.client.limits.line = 100
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"
	body := strings.Repeat("x", 60)
	plain, stream := &Request{Method: "POST", Path: "/"}, &Request{Method: "POST", Path: "/", Stream: true}
	for i := range 3 {
		s, streamed := asked(line, stream)
		s.h.Received([]byte(head+body[1:]), 1)
		a, first := asked(line, plain)
		a.h.Received([]byte(head+body[1:]), 1)
		if first.Answer.Outcome != 0 || streamed.Answer.Outcome != 0 {
			t.Fatalf("ended early: %+v, %+v", first.Answer, streamed.Answer)
		}
		b, second := asked(line, plain)
		b.h.Received([]byte(head+body), 2)
		if second.Answer.Outcome != results.Malformed || !strings.Contains(second.Answer.Detail, "together") {
			t.Errorf("%d: more than the line may hold: %+v", i, second.Answer)
		}
		if i == 1 {
			line.Abort(first, results.Timeout)
		} else if a.h.Received([]byte("x"), 3); first.Answer.Outcome != results.OK {
			t.Errorf("%d: within what the line may hold: %+v", i, first.Answer)
		}
		if line.Abort(streamed, results.Timeout); line.answers.held != 0 {
			t.Errorf("%d: %d bytes are held of no answers", i, line.answers.held)
		}
	}
}

// The buffers of a long answer are not kept for another.
func TestLongAnswersAreLetGo(t *testing.T) {
	for _, c := range []struct {
		status string
		size   int
		kept   bool
	}{{"200", 100, true}, {"500", 100, true}, {"200", keepText + 1, false}, {"500", keepText + 1, false}} {
		_, line := stillLine(t, "http://127.0.0.1:1", Transport{})
		conn, x := asked(line, &Request{Method: "POST", Path: "/"})
		conn.h.Received(fmt.Appendf(nil, "HTTP/1.1 %s X\r\nContent-Length: %d\r\n\r\n%s", c.status, c.size, make([]byte, c.size)), 1)
		if x.Answer.Done != 1 || (len(line.answers.free) == 1) != c.kept {
			t.Errorf("%+v: %d kept, %v", c, len(line.answers.free), x.Answer.Outcome)
		}
	}
	_, line := stillLine(t, "http://127.0.0.1:1", Transport{Gzip: true})
	conn, x := asked(line, &Request{Method: "POST", Path: "/"})
	conn.h.Received(zipped(make([]byte, keepText+1)), 1)
	if x.Answer.Outcome != results.OK || len(line.answers.free) != 0 {
		t.Errorf("long when unpacked: %d kept, %+v", len(line.answers.free), x.Answer)
	}
}

// zipped is an answer whose body is compressed.
func zipped(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body)
	_ = w.Close()
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", b.Len(), b.Bytes())
}

// The first of a compressed answer is when its first byte came in.
func TestFirstOfGzip(t *testing.T) {
	for _, size := range []int{2, 100 << 10} {
		_, line := stillLine(t, "http://127.0.0.1:1", Transport{Gzip: true})
		conn, x := asked(line, &Request{Method: "POST", Path: "/"})
		answer := zipped(make([]byte, size))
		conn.h.Received(answer[:len(answer)-20], 5)
		conn.h.Received(answer[len(answer)-20:], 9)
		if a := x.Answer; a.Outcome != results.OK || a.First != 5 || a.Final != 9 || a.Done != 9 {
			t.Errorf("%d bytes: %+v", size, a)
		}
	}
}

// A server that says our key back does not put it into the results.
func TestSecret(t *testing.T) {
	const key = "sk-proj-sesame-sesame"
	for body, want := range map[string]string{
		"wrong key " + key:                      "wrong key [key]",
		key + key + ", " + key:                  "[key][key], [key]",
		"wrong key sk-proj":                     "wrong key sk-proj",
		strings.Repeat("x", detailMax-12) + key: strings.Repeat("x", detailMax-12) + "[key]",
		strings.Repeat("x", detailMax-3) + key:  strings.Repeat("x", detailMax-3) + "sk-",
		strings.Repeat(key, 200):                strings.Repeat("[key]", detailMax/len(key)+1),
	} {
		_, line := stillLine(t, "http://127.0.0.1:1", Transport{})
		line.client.Secret = key
		conn, x := asked(line, &Request{Method: "POST", Path: "/"})
		conn.h.Received(fmt.Appendf(nil, "HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%s", len(body), body), 1)
		if x.Answer.Detail != want {
			t.Errorf("%q: %q, want %q", body, x.Answer.Detail, want)
		}
	}
}

// What came in on a kept connection before the request was sent is not its
// answer, nor is a server's farewell.
func TestNotTheAnswer(t *testing.T) {
	const good, farewell = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	const sent = results.Offset(1e9)
	const off = results.Offset(stampError)
	for name, c := range map[string]struct {
		kept   bool
		first  string
		at     results.Offset
		then   string
		want   results.Outcome
		status int
	}{
		"late answer":                {true, good, sent - 2*off, "", results.Reset, 0},
		"late answer, in pieces":     {true, good[:20], sent - 2*off, good[20:], results.Reset, 0},
		"one byte":                   {true, "\n", sent - 2*off, "", results.Reset, 0},
		"farewell":                   {true, farewell, sent - 2*off, "", results.Reset, 0},
		"farewell that crosses":      {true, farewell, sent + 1, "", results.Reset, 0},
		"408 that is an answer":      {true, strings.Replace(farewell, "Connection: close\r\n", "", 1), sent + 1, "", results.HTTP4xx, 408},
		"408 to the first":           {false, farewell, sent + 1, "", results.HTTP4xx, 408},
		"answer":                     {true, good, sent + 1, "", results.OK, 200},
		"answer, the clock is off":   {true, good, sent - off, "", results.OK, 200},
		"answer, pieces out of time": {true, good[:20], sent + 1, good[20:], results.OK, 200},
	} {
		l, line := stillLine(t, "http://127.0.0.1:1", Transport{})
		r := &Request{Method: "POST", Path: "/", Body: []byte("x")}
		line.client.Transport.IdleLimit = 1e9
		if c.kept {
			conn, x := asked(line, r)
			if conn.h.Received([]byte(good), 1); x.Answer.Outcome != results.OK {
				t.Fatal(x.Answer)
			}
		}
		l.now = sent
		var x loadgen.Exchange
		x.Done = func(*loadgen.Exchange) {}
		line.Send(r, &x)
		conn := l.conns[0]
		if !c.kept {
			conn.h.Connected()
		}
		l.now += 10
		conn.h.Received([]byte(c.first), c.at)
		if c.then != "" && !conn.closed {
			conn.h.Received([]byte(c.then), sent-2*off)
		}
		if a := x.Answer; a.Outcome != c.want || a.Status != c.status || conn.closed != (c.want != results.OK && c.status != 408 || strings.Contains(c.first, "close")) ||
			strings.Contains(a.Detail, "nothing is sent again") != (c.want == results.Reset) || a.Outcome == results.Reset && a.Chunks != 0 {
			t.Errorf("%s: closed %v, %+v", name, conn.closed, a)
		}
	}
}
