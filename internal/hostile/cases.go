package hostile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strconv"
	"strings"

	"github.com/evabench/evabench/results"
)

// Texts are what answers are made of.
type Texts struct {
	// Good is a good answer's body, of more than 10 bytes, and all of it is needed.
	Good string
	// Event is a part of a good stream's body, and Done its end.
	Event, Done string
}

// Plain are texts for readers that take any JSON text, and any stream that ends.
var Plain = Texts{Good: Good, Event: Event, Done: Done}

// The texts of Plain.
const (
	Good  = `{"ok":true}`
	Event = "data: {}\n\n"
	Done  = "data: [DONE]\n\n"
)

func length(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func chunk(body string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(body), body) }

const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

const stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

// says answers every request with text.
func says(text string) func(*Conn, int) {
	return func(c *Conn, _ int) {
		for c.Request() && c.Say(text) {
		}
	}
}

// once answers one request with text and ends the connection in order.
func once(text string) func(*Conn, int) {
	return func(c *Conn, _ int) {
		if c.Request() {
			c.Say(text)
		}
	}
}

// stalls answers with text and hangs.
func stalls(text string) func(*Conn, int) {
	return func(c *Conn, _ int) {
		if c.Request() && c.Say(text) {
			c.Hang()
		}
	}
}

// waits answers with text and waits for the client to end the connection.
func waits(text string) func(*Conn, int) {
	return func(c *Conn, _ int) {
		if c.Request() && c.Say(text) {
			c.Wait()
		}
	}
}

// resets answers with text and resets the connection.
func resets(text string) func(*Conn, int) {
	return func(c *Conn, _ int) {
		if c.Request() && c.Say(text) {
			c.Reset()
		}
	}
}

func pack(body []byte) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body)
	_ = w.Close()
	return b.String()
}

func gzipped(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func all(o ...results.Outcome) []results.Outcome { return o }

var (
	ok       = all(results.OK)
	okTwice  = all(results.OK, results.OK)
	reset    = all(results.Reset)
	bad      = all(results.Malformed)
	timedOut = all(results.Timeout)
)

// Cases lists all that can go on over one plain connection after another. Limit
// is the client's bound on a body, in bytes.
func Cases(t Texts, limit int) []Case {
	return append(append(t.sound(), t.faulty()...), t.vast(limit)...)
}

// sound lists answers that are good, however odd.
func (t Texts) sound() []Case {
	size, rest := strconv.Itoa(len(t.Good)), strconv.FormatInt(int64(len(t.Good)-4), 16)
	closes := "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + size + "\r\n\r\n" + t.Good
	interim := "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	extended := chunked + "4;a=b\r\n" + t.Good[:4] + "\r\n" + rest + ";c=\"d\"\r\n" + t.Good[4:] + "\r\n0;e\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"
	return []Case{
		{Name: "length", Serve: says(length(t.Good)), Want: okTwice, Status: 200, Conns: 1},
		{Name: "chunks", Serve: says(chunked + chunk(t.Good[:5]) + chunk(t.Good[5:]) + "0\r\n\r\n"), Want: okTwice, Status: 200, Conns: 1},
		{Name: "chunk extensions and trailers", Serve: says(extended), Want: okTwice, Status: 200, Conns: 1},
		{Name: "until the end", Serve: once("HTTP/1.1 200 OK\r\n\r\n" + t.Good), Want: okTwice, Status: 200, Conns: 2},
		{Name: "connection: close", Serve: once(closes), Want: okTwice, Status: 200, Conns: 2},
		{Name: "connection: close, but open", Serve: waits(closes), Want: okTwice, Status: 200, Conns: 2},
		{Name: "the client closes", Serve: waits(length(t.Good)), Want: okTwice, Status: 200, Conns: 2, Ask: Ask{Close: true}},
		{Name: "HTTP/1.0", Serve: once("HTTP/1.0 200 OK\r\n\r\n" + t.Good), Want: okTwice, Status: 200, Conns: 2},
		{Name: "HTTP/1.0 with a length", Serve: once("HTTP/1.0 200 OK\r\nContent-Length: " + size + "\r\n\r\n" + t.Good), Want: okTwice, Status: 200, Conns: 2},
		{Name: "HTTP/1.0 keep-alive", Serve: says("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: " + size + "\r\n\r\n" + t.Good), Want: okTwice, Status: 200, Conns: 1},
		{Name: "100 and 103", Serve: says(interim + length(t.Good)), Want: okTwice, Status: 200, Conns: 1},
		{Name: "two equal lengths", Serve: says("HTTP/1.1 200 OK\r\nContent-Length: " + size + "\r\ncontent-length: " + size + "\r\n\r\n" + t.Good), Want: okTwice, Status: 200, Conns: 1},
		{Name: "no reason, bare line feeds", Serve: says("HTTP/1.1 200\nContent-Length: " + size + "\n\n" + t.Good), Want: okTwice, Status: 200, Conns: 1},
		{Name: "HEAD", Serve: says("HTTP/1.1 200 OK\r\nContent-Length: " + size + "\r\n\r\n"), Want: all(results.Malformed, results.Malformed), Status: 200, Conns: 1, Ask: Ask{Method: "HEAD"}},
		{Name: "GET", Serve: says(length(t.Good)), Want: okTwice, Status: 200, Conns: 1, Ask: Ask{Method: "GET"}},
		{Name: "204", Serve: says("HTTP/1.1 204 No Content\r\n\r\n"), Want: all(results.Malformed, results.Malformed), Status: 204, Conns: 1},
		{Name: "byte by byte", Serve: func(c *Conn, _ int) {
			for c.Request() {
				for _, b := range []byte(interim + extended) {
					c.Say(string([]byte{b}))
				}
			}
		}, Want: okTwice, Status: 200, Conns: 1},
		{Name: "stream", Serve: says(stream + chunk(t.Event) + chunk(t.Event) + chunk(t.Done) + "0\r\n\r\n"), Want: okTwice, Status: 200, Conns: 1, Ask: Ask{Stream: true}},
		{Name: "stream that does not end after its end", Serve: waits(stream + chunk(t.Event) + chunk(t.Done)), Want: okTwice, Status: 200, Conns: 2, Ask: Ask{Stream: true}},
		{Name: "gzip", Serve: says(gzipped(pack([]byte(t.Good)))), Want: okTwice, Status: 200, Conns: 1, Ask: Ask{Gzip: true}},
		{Name: "gzip of a refusal", Serve: says(strings.Replace(gzipped(pack([]byte("CUDA out of memory"))), "200 OK", "500 No", 1)), Want: all(results.OOM), Status: 500, Detail: "CUDA out of memory", Ask: Ask{Gzip: true}},
		{Name: "a large body", Serve: says(length(t.Good)), Want: okTwice, Status: 200, Conns: 1, Ask: Ask{Size: 8 << 20}},
	}
}

// faulty lists answers that are not good.
func (t Texts) faulty() []Case {
	size, hex := strconv.Itoa(len(t.Good)), strconv.FormatInt(int64(len(t.Good)), 16)
	head := "HTTP/1.1 200 OK\r\nContent-Length: " + size + "\r\n"
	early := "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch"
	return []Case{
		{Name: "accept and hang", Serve: func(c *Conn, _ int) { c.Hang() }, Want: timedOut, Detail: "before there was a"},
		{Name: "accept and hang, large body", Serve: func(c *Conn, _ int) { c.Header(); c.Hang() }, Want: timedOut, Ask: Ask{Size: 8 << 20}},
		{Name: "half a header, then silence", Serve: stalls(head), Want: timedOut},
		{Name: "half a body, then silence", Serve: stalls(head + "\r\n" + t.Good[:5]), Want: timedOut, Status: 200},
		{Name: "half a chunk, then silence", Serve: stalls(chunked + hex + "\r\n" + t.Good[:5]), Want: timedOut, Status: 200},
		{Name: "until an end that does not come", Serve: stalls("HTTP/1.1 200 OK\r\n\r\n" + t.Good), Want: timedOut, Status: 200},
		{Name: "answer after the time limit", Serve: func(c *Conn, _ int) {
			if c.Request() {
				c.Hang()
				c.Say(length(t.Good))
			}
		}, Want: timedOut},
		{Name: "closed without an answer", Serve: once(""), Want: reset, Detail: "before the answer did"},
		{Name: "closed in the header", Serve: once(head), Want: reset},
		{Name: "closed in the body", Serve: once(head + "\r\n" + t.Good[:5]), Want: reset, Status: 200},
		{Name: "closed before the last byte", Serve: once(head + "\r\n" + t.Good[:10]), Want: reset, Status: 200},
		{Name: "closed in a chunk", Serve: once(chunked + hex + "\r\n" + t.Good[:5]), Want: reset, Status: 200},
		{Name: "closed before the last chunk", Serve: once(chunked + chunk(t.Good)), Want: reset, Status: 200},
		{Name: "closed in the trailer", Serve: once(chunked + chunk(t.Good) + "0\r\nX: y\r\n"), Want: reset, Status: 200, Guesses: bad},
		{Name: "closed in a refusal", Serve: once("HTTP/1.1 500 No\r\nContent-Length: " + size + "\r\n\r\nno"), Want: reset, Status: 500},
		{Name: "reset before an answer", Serve: resets(""), Want: reset},
		{Name: "reset without reading", Serve: func(c *Conn, _ int) { c.Header(); c.Reset() }, Want: reset, Ask: Ask{Size: 8 << 20}},
		{Name: "reset in the header", Serve: resets(head), Want: reset},
		{Name: "reset in the stream", Serve: resets(stream + chunk(t.Event)), Want: reset, Status: 200, Ask: Ask{Stream: true}},
		{Name: "stream without an end", Serve: says(stream + chunk(t.Event) + "0\r\n\r\n"), Want: reset, Status: 200, Ask: Ask{Stream: true}},
		{Name: "kept connection closed on the next request", Serve: func(c *Conn, n int) {
			if c.Request() && c.Say(length(t.Good)) && n == 1 {
				c.Request()
			}
		}, Want: all(results.OK, results.Reset), Detail: "nothing is sent again", Conns: 1},
		{Name: "kept connection closed on the next GET", Serve: func(c *Conn, n int) {
			if c.Request() && c.Say(length(t.Good)) && n == 1 {
				c.Request()
			}
		}, Want: all(results.OK, results.Reset), Detail: "nothing is sent again", Conns: 1, Ask: Ask{Method: "GET"}},
		{Name: "408 when a kept connection is asked", Serve: func(c *Conn, n int) {
			if c.Request() && c.Say(length(t.Good)) && n == 1 && c.Request() {
				c.Say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			}
		}, Want: all(results.OK, results.Reset), Detail: "nothing is sent again", Conns: 1},
		{Name: "408 as an answer", Serve: says("HTTP/1.1 408 No\r\nContent-Length: 0\r\n\r\n"), Want: all(results.HTTP4xx, results.HTTP4xx), Status: 408, Conns: 1},
		{Name: "half of a JSON text", Serve: says(length(t.Good[:5])), Want: bad, Status: 200},
		{Name: "a page", Serve: says("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p>x"), Want: bad, Status: 200},
		{Name: "not HTTP", Serve: once("SSH-2.0-OpenSSH_9.9\r\n\r\n"), Want: bad, Detail: "SSH"},
		{Name: "not HTTP, one line", Serve: waits("SSH-2.0-OpenSSH_9.9\r\n"), Want: bad},
		{Name: "status 1000", Serve: once("HTTP/1.1 1000 Much\r\n\r\n"), Want: bad},
		{Name: "status 99", Serve: once("HTTP/1.1 099 Little\r\nContent-Length: 0\r\n\r\n"), Want: bad, Guesses: bad},
		{Name: "status 101", Serve: waits("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Want: bad, Status: 101},
		{Name: "redirect", Serve: says("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"), Want: all(results.Malformed, results.Malformed), Status: 302, Conns: 1},
		{Name: "304", Serve: says("HTTP/1.1 304 Not Modified\r\nContent-Length: " + size + "\r\n\r\n"), Want: all(results.Malformed, results.Malformed), Status: 304, Conns: 1},
		{Name: "both lengths and chunks", Serve: says("HTTP/1.1 200 OK\r\nContent-Length: " + size + "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(t.Good) + "0\r\n\r\n"), Want: bad, Guesses: ok, Status: 0},
		{Name: "two different lengths", Serve: says("HTTP/1.1 200 OK\r\nContent-Length: " + size + "\r\nContent-Length: " + size + "0\r\n\r\n" + t.Good), Want: bad},
		{Name: "a list of lengths", Serve: says("HTTP/1.1 200 OK\r\nContent-Length: " + size + ", " + size + "\r\n\r\n" + t.Good), Want: bad},
		{Name: "a length with a sign", Serve: says("HTTP/1.1 200 OK\r\nContent-Length: +" + size + "\r\n\r\n" + t.Good), Want: bad},
		{Name: "an unknown transfer encoding", Serve: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + chunk(t.Good) + "0\r\n\r\n"), Want: bad},
		{Name: "chunks in HTTP/1.0", Serve: once("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(t.Good) + "0\r\n\r\n"), Want: bad, Guesses: bad},
		{Name: "a chunk size that is none", Serve: says(chunked + "eleven\r\n" + t.Good + "\r\n0\r\n\r\n"), Want: bad, Status: 200},
		{Name: "a chunk size with a sign", Serve: says(chunked + "-b\r\n" + t.Good + "\r\n0\r\n\r\n"), Want: bad, Status: 200},
		{Name: "a chunk size beyond all", Serve: says(chunked + "ffffffffffffffffb\r\n" + t.Good + "\r\n0\r\n\r\n"), Want: bad, Status: 200},
		{Name: "a chunk longer than told", Serve: says(chunked + "5\r\n" + t.Good + "\r\n0\r\n\r\n"), Want: bad, Status: 200},
		{Name: "a chunk line without CR", Serve: says(chunked + "b\n" + t.Good + "\r\n0\r\n\r\n"), Want: bad, Status: 200},
		{Name: "a field without a colon", Serve: says("HTTP/1.1 200 OK\r\nContent-Length " + size + "\r\n\r\n" + t.Good), Want: bad},
		{Name: "a field with a space", Serve: once("HTTP/1.1 200 OK\r\nContent-Length : " + size + "\r\n\r\n" + t.Good), Want: bad, Guesses: ok},
		{Name: "an answer nobody asked for, at once", Serve: waits(length(t.Good) + length(t.Good)), Want: okTwice, Status: 200, Conns: 2, Unasked: true},
		{Name: "bytes after the body", Serve: waits(length(t.Good) + "\r\n"), Want: okTwice, Status: 200, Conns: 2, Unasked: true},
		{Name: "answer before the body is written", Serve: func(c *Conn, _ int) {
			c.Header()
			c.Say(strings.Replace(early, "Content-Length", "Connection: close\r\nContent-Length", 1))
			c.Wait()
		}, Want: all(results.HTTP4xx, results.HTTP4xx), Status: 413, Detail: "much", Conns: 2, Ask: Ask{Size: 8 << 20}},
		{Name: "answer before the body is read", Serve: func(c *Conn, _ int) {
			for c.early(early) {
			}
		}, Want: all(results.HTTP4xx, results.HTTP4xx), Status: 413, Detail: "much", Ask: Ask{Size: 8 << 20}},
		{Name: "gzip that nobody asked for", Serve: says(gzipped(pack([]byte(t.Good)))), Want: bad, Status: 200, Detail: "nobody asked"},
		{Name: "gzip of a stream", Serve: says(gzipped(pack([]byte(t.Done)))), Want: bad, Status: 200, Ask: Ask{Gzip: true, Stream: true}},
		{Name: "gzip that is none", Serve: says(gzipped("gzip, honestly")), Want: bad, Status: 200, Detail: "unpack", Ask: Ask{Gzip: true}},
		{Name: "half of a gzip", Serve: says(gzipped(pack([]byte(t.Good))[:15])), Want: bad, Status: 200, Detail: "unpack", Ask: Ask{Gzip: true}},
		{Name: "400", Serve: says("HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno"), Want: all(results.HTTP4xx), Status: 400, Detail: "no"},
		{Name: "429", Serve: says("HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n"), Want: all(results.Shed), Status: 429, Detail: "without a body"},
		{Name: "500", Serve: says("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"), Want: all(results.HTTP5xx, results.HTTP5xx), Status: 500, Conns: 1},
		{Name: "503", Serve: says("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno"), Want: all(results.HTTP5xx), Status: 503},
		{Name: "503 queue", Serve: says("HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nqueue"), Want: all(results.Shed), Status: 503},
		{Name: "status 999", Serve: says("HTTP/1.1 999 No\r\nContent-Length: 2\r\n\r\nno"), Want: all(results.HTTP5xx), Status: 999},
	}
}

// vast lists answers that are too much.
func (t Texts) vast(limit int) []Case {
	size := strconv.Itoa(len(t.Good))
	endless := func(begin, again string) func(*Conn, int) {
		return func(c *Conn, _ int) {
			if !c.Request() || !c.Say(begin) {
				return
			}
			for c.Say(again) {
			}
		}
	}
	line := strings.Repeat("x", 10<<20)
	events := strings.Repeat(t.Event, 1<<15/len(t.Event))
	return []Case{
		{Name: "an endless stream", Serve: endless(stream, chunk(events)), Want: bad, Status: 200, Ask: Ask{Stream: true}},
		{Name: "an endless body", Serve: endless("HTTP/1.1 200 OK\r\n\r\n", events), Want: bad, Status: 200},
		{Name: "a line of 10 MB", Serve: says(length(`"` + line + `"`)), Want: okTwice, Status: 200, Conns: 1},
		{Name: "an endless header", Serve: endless("HTTP/1.1 200 OK\r\n", "X: "+line[:4000]+"\r\n"), Want: bad},
		{Name: "a header of 100 KB", Serve: once("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+line[:4000]+"\r\n", 25) + "Content-Length: " + size + "\r\n\r\n" + t.Good), Want: bad},
		{Name: "an endless line of the header", Serve: endless("HTTP/1.1 200 OK\r\nX: ", line[:4000]), Want: bad},
		{Name: "an endless status", Serve: endless("HTTP/1.1 200 ", line[:4000]), Want: bad},
		{Name: "endless 1xx answers", Serve: endless("", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100)), Want: bad},
		{Name: "an endless chunk line", Serve: endless(chunked+"1;", line[:4000]), Want: bad, Status: 200},
		{Name: "chunks of one byte, long lines", Serve: endless(chunked, "1;"+line[:1000]+"\r\nx\r\n"), Want: bad, Status: 200},
		{Name: "an endless trailer", Serve: endless(chunked+chunk(t.Good)+"0\r\n", "X: "+line[:4000]+"\r\n"), Want: bad, Status: 200},
		{Name: "a bomb", Serve: says(gzipped(pack(make([]byte, limit+1)))), Want: bad, Status: 200, Detail: "unpack", Ask: Ask{Gzip: true}},
	}
}
