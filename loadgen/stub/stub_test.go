package stub_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen/stub"
)

// start gives a server and how to end it and get its facts.
func start(t *testing.T, o stub.Options) (*stub.Server, func() stub.Stats) {
	t.Helper()
	s, err := stub.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	end := sync.OnceValue(func() stub.Stats {
		stats, err := s.Close()
		if err != nil {
			t.Error(err)
		}
		return stats
	})
	t.Cleanup(func() { end() })
	return s, end
}

func client(t *testing.T) *http.Client {
	c, _ := counted(t)
	return c
}

// counted is a client and how many connections it has made: not always one, since
// net/http lets one go of which its own writer is late to say that all is written.
func counted(t *testing.T) (c *http.Client, made *atomic.Int64) {
	made = new(atomic.Int64)
	transport := &http.Transport{ExpectContinueTimeout: time.Hour, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		made.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, made
}

// TestAnswers asks with package net/http, whose framing is not ours.
func TestAnswers(t *testing.T) {
	s, end := start(t, stub.Options{})
	c, made := counted(t)
	body := bytes.Repeat([]byte{0xff}, 100<<10)
	var sent int64
	for _, r := range []struct {
		name, method, path string
		body               io.Reader
		header             string
	}{
		{"get", "GET", "/ping", nil, ""},
		{"head", "HEAD", "/ping", nil, ""},
		{"image", "POST", "/predictions/m", bytes.NewReader(body), ""},
		{"chunked image", "POST", "/predictions/m", io.MultiReader(bytes.NewReader(body)), ""},
		{"expects", "POST", "/predictions/m", bytes.NewReader(body), "Expect: 100-continue"},
		{"chat", "POST", "/v1/chat/completions", strings.NewReader(`{"stream":false}`), ""},
		{"closes", "POST", "/predictions/m", bytes.NewReader(body), "Connection: close"},
	} {
		req, err := http.NewRequest(r.method, s.URL()+r.path, r.body)
		if err != nil {
			t.Fatal(err)
		}
		if name, value, ok := strings.Cut(r.header, ": "); ok {
			req.Header.Set(name, value)
			req.Close = value == "close"
		}
		answer, err := c.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != 200 || answer.Close != req.Close ||
			answer.Header.Get("Content-Type") != "application/json" || json.Valid(text) == (r.method == "HEAD") {
			t.Errorf("%s: %v, %q, %v", r.name, answer, text, err)
		}
		switch {
		case r.method == "POST" && r.name == "chat":
			sent += int64(len(`{"stream":false}`))
		case r.method == "POST":
			sent += int64(len(body))
		}
	}
	stats := end()
	if stats.Requests != 7 || stats.Connections != made.Load() || stats.Refused != 0 {
		t.Errorf("7 requests over %d connections: %+v", made.Load(), stats)
	}
	parts := int64(0)
	for _, n := range stats.Parts {
		parts += n
	}
	if parts != stats.Requests {
		t.Errorf("%d requests, %d in the parts of time", stats.Requests, parts)
	}
	// Chunked bodies count with their sizes: a few bytes more.
	if over := stats.BodyBytes - sent; over < 5 || over > 200 {
		t.Errorf("%d bytes of body, of which %d were sent as such", stats.BodyBytes, sent)
	}
}

func TestStream(t *testing.T) {
	const tokens, gap = 5, 10 * time.Millisecond
	s, end := start(t, stub.Options{Tokens: tokens, Gap: gap})
	before := time.Now().UnixNano()
	answer, err := client(t).Post(s.URL()+"/v1/chat/completions", "application/json", strings.NewReader(`{"messages":[],"stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text, finish string
	var role, done bool
	usage := -1
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			done = true
			continue
		}
		var event struct {
			Choices []struct {
				Delta  struct{ Role, Content string }
				Finish *string `json:"finish_reason"`
			}
			Usage *struct {
				Completion int `json:"completion_tokens"`
			}
		}
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		for _, c := range event.Choices {
			role = role || c.Delta.Role == "assistant"
			text += c.Delta.Content
			if c.Finish != nil {
				finish = *c.Finish
			}
		}
		if event.Usage != nil {
			usage = event.Usage.Completion
		}
	}
	after := time.Now().UnixNano()
	if !role || !done || finish != "stop" || usage != tokens {
		t.Errorf("role %v, done %v, finish %q, usage %d", role, done, finish, usage)
	}
	stamps, ok := stub.Stamps(text, nil)
	if !ok || len(stamps) != tokens || !slices.IsSorted(stamps) {
		t.Fatalf("stamps of %q: %v, %v", text, stamps, ok)
	}
	// The first token comes one gap after the request, each other one after the
	// one before, and none before its time.
	if span := time.Duration(stamps[0] - before); span < gap {
		t.Errorf("the first token was sent %v after the request", span)
	}
	if stamps[tokens-1]-before < tokens*int64(gap) || stamps[tokens-1] > after {
		t.Errorf("stamps %v, not within %d and %d", stamps, before, after)
	}
	if stats := end(); stats.Streams != 1 || stats.Tokens != tokens {
		t.Errorf("one stream of %d tokens: %+v", tokens, stats)
	}
}

// TestStampsRefuses: texts of other servers are no stamps.
func TestStampsRefuses(t *testing.T) {
	for _, text := range []string{"two people", "1", "dvl3ju8dqkl2", "dvl3ju8dqkl! ", "dvl3ju8dqkl2  "} {
		if got, ok := stub.Stamps(text, nil); ok {
			t.Errorf("%q gives the stamps %v", text, got)
		}
	}
}

// raw sends text over one connection and gives all that comes until its end.
func raw(t *testing.T, s *stub.Server, text string, half bool) string {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if half {
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestRaw(t *testing.T) {
	get := "GET / HTTP/1.1\r\n\r\n"
	last := "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
	stream := `POST /v1/chat/completions HTTP/1.1` + "\r\nContent-Length: 15\r\n\r\n" + `{"stream":true}`
	for _, delay := range []time.Duration{0, time.Millisecond} {
		for _, c := range []struct {
			name, in       string
			half           bool
			ok, done, none int // answers with 200, ends of streams, refusals
		}{
			{"pipelined", get + get + last, false, 3, 0, 0},
			{"after the last", last + get, false, 1, 0, 0},
			{"old", "GET / HTTP/1.0\r\n\r\n", false, 1, 0, 0},
			{"half closed", get + get, true, 2, 0, 0},
			{"half a request", get + "GET", true, 1, 0, 0},
			{"no request", get + "HELO\r\n\r\n", false, 1, 0, 1},
			{"behind a stream", stream + get + stream + last, false, 4, 2, 0},
			{"stream, half closed", stream, true, 1, 1, 0},
		} {
			s, _ := start(t, stub.Options{Delay: delay, Tokens: 2, Gap: time.Millisecond})
			got := raw(t, s, c.in, c.half)
			if strings.Count(got, "HTTP/1.1 200 OK\r\n") != c.ok || strings.Count(got, "[DONE]") != c.done || strings.Count(got, "HTTP/1.1 400 ") != c.none {
				t.Errorf("%s with delay %v: got %q", c.name, delay, got)
			}
		}
	}
}

// TestLog: an arrival for each request, in order, within the time of the test.
func TestLog(t *testing.T) {
	const delay = 2 * time.Millisecond
	s, end := start(t, stub.Options{Log: true, Delay: delay})
	before := time.Now().UnixNano()
	body := strings.Repeat("x", 100<<10)
	request := fmt.Sprintf("POST /predictions/m HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	raw(t, s, strings.Repeat(request, 3)+"GET / HTTP/1.0\r\n\r\n", false)
	after := time.Now().UnixNano()
	end()
	arrivals := s.Arrivals()
	if len(arrivals) != 4 {
		t.Fatalf("4 requests, %d arrivals", len(arrivals))
	}
	for i, a := range arrivals {
		if a.First < before || a.Answered-a.First < int64(delay) || a.Answered > after || a.Connection != 0 {
			t.Errorf("arrival %d: %+v, between %d and %d", i, a, before, after)
		}
		if i > 0 && a.First < arrivals[i-1].First {
			t.Errorf("arrival %d: %+v is before %+v", i, a, arrivals[i-1])
		}
	}
}

// TestStall: a client that asks again and again meets a stall.
func TestStall(t *testing.T) {
	const every, lasts = 1050 * time.Millisecond, time.Second
	s, _ := start(t, stub.Options{Stall: stub.Stall{Every: every, For: lasts}})
	c := client(t)
	for longest := time.Duration(0); longest < lasts/2; { // the test's time limit bounds it
		asked := time.Now()
		answer, err := c.Get(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		longest = max(longest, time.Since(asked))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []stub.Options{
		{Tokens: -1}, {Gap: -1}, {Delay: -1}, {Stall: stub.Stall{For: 1}}, {Stall: stub.Stall{Every: 1, For: 1}},
	} {
		if s, err := stub.Start(o); err == nil {
			t.Errorf("%+v is taken", o)
			_, _ = s.Close()
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s, err := stub.Start(stub.Options{})
	if err != nil {
		b.Fatal(err)
	}
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	request, answer := []byte("GET / HTTP/1.1\r\n\r\n"), make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(answer); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
	if _, err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
