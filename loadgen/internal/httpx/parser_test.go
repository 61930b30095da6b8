package httpx

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// An outcome is all that a parser found.
type outcome struct {
	status         int
	field          string // Content-Type
	body, rest     string
	keep, is, said bool // is: whole, said: the header was whole
	err            string
}

// parse gives a parser pieces, and then the end of the connection.
func parse(p *parser, method string, pieces ...[]byte) (o outcome) {
	p.begin(method)
	for i, in := range pieces {
		for {
			e, data, rest, err := p.next(in)
			switch {
			case err != nil:
				o.err = err.Error()
				return o
			case e == begun:
				o.said, o.status, o.field, o.keep = true, p.status, string(p.Field("content-type")), p.keep
			case e == piece:
				o.body += string(data)
			case e == whole:
				o.is, o.rest = true, string(rest)+string(bytes.Join(pieces[i+1:], nil))
				return o
			}
			if in = rest; e == more {
				break
			}
		}
	}
	o.is = p.ended()
	return o
}

// split cuts in at the places that cuts tell: each is how much further.
func split(in, cuts []byte) (pieces [][]byte) {
	for _, n := range cuts {
		k := min(int(n), len(in))
		pieces, in = append(pieces, in[:k]), in[k:]
	}
	return append(pieces, in)
}

// read is parse with net/http.
func read(in []byte, method string) (o outcome, err error) {
	r := bufio.NewReader(bytes.NewReader(in))
	for {
		response, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return o, err
		}
		if response.StatusCode/100 == 1 && response.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return o, err
		}
		o = outcome{status: response.StatusCode, field: response.Header.Get("Content-Type"), body: string(body), keep: !response.Close, is: true, said: true}
		rest, err := io.ReadAll(r)
		o.rest = string(rest)
		return o, err
	}
}

// What both read, they read alike; and however the bytes are cut, the answer is
// the same.
func FuzzParser(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n",
		"HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\nrest",
		"HTTP/1.0 404 No\r\nConnection: keep-alive\r\n\r\nuntil the end", "HTTP/1.1 204 No\nConnection: a, close\n\nrest",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 304 No\r\nX:\r\n folded\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n goes on\r\n\r\nxx",
	} {
		f.Add([]byte(s), []byte{1, 0, 7, 40, 3, 1, 1, 1, 1}, false)
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte, head bool) {
		method := "POST"
		if head {
			method = "HEAD"
		}
		p := new(parser)
		got := parse(p, method, in)
		if cut := parse(p, method, split(in, cuts)...); cut != got {
			t.Errorf("%q\nwhole: %+v\nin pieces %v: %+v", in, got, cuts, cut)
		}
		if (got.err != "") && got.is || got.is && !got.said {
			t.Errorf("%q: %+v", in, got)
		}
		want, err := read(in, method)
		if err != nil || !got.is || got.status == http.StatusSwitchingProtocols {
			return
		}
		if got != want {
			t.Errorf("%q\nours:     %+v\nnet/http: %+v", in, got, want)
		}
	})
}

// Limits are told at the byte after them, in one piece or byte by byte.
func TestParserLimits(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\n"
	chunks := head + "Transfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name, before, fill, after string
		limit                     int // bytes of before+fill+after that are counted and fine
		counted                   int // bytes of before that count
	}{
		{"header", head + "X: ", "x", "\r\n\r\n", maxHead, len(head) + 3},
		{"chunk line", chunks + "1;", "x", "\r\n", maxLine, 2},
		{"trailer", chunks + "0\r\nX: ", "x", "\r\n\r\n", maxTrailer, 3},
	} {
		for over := range 2 {
			in := []byte(c.before + strings.Repeat(c.fill, c.limit+over-c.counted-len(c.after)) + c.after)
			for _, cuts := range [][]byte{nil, bytes.Repeat([]byte{1}, len(in)), bytes.Repeat([]byte{100}, len(in)/100)} {
				o := parse(new(parser), "GET", split(in, cuts)...)
				if (o.err != "") != (over == 1) {
					t.Errorf("%s, %d over the limit, %d cuts: %q", c.name, over, len(cuts), o.err)
				}
			}
		}
	}
}

// A kept parser owes nothing to the answer before.
func TestParserBegin(t *testing.T) {
	p := new(parser)
	good := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxx")
	want := parse(new(parser), "GET", good)
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("x", 3000) + "\r\nhel", "HTTP/1.1 500 No\r\nConnection: close\r\n",
		"HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 100 Continue\r\nX: " + strings.Repeat("x", maxHead),
	} {
		parse(p, "HEAD", []byte(s))
		if got := parse(p, "GET", good); got != want {
			t.Errorf("after %.60q: %+v, want %+v", s, got, want)
		}
	}
}

func TestField(t *testing.T) {
	p := new(parser)
	parse(p, "GET", []byte("HTTP/1.1 200 a: b\r\nX-One: \t1 \r\nx-two:2\nX-One: 3\r\nEmpty:\r\nContent-Length: 0\r\n\r\n"))
	for name, want := range map[string]string{"x-one": "1", "X-TWO": "2", "Empty": "", "HTTP/1.1 200 a": "<none>", "Three": "<none>"} {
		got := p.Field(name)
		if got == nil {
			got = []byte("<none>")
		}
		if string(got) != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestMalformedIsAnError(t *testing.T) {
	if _, ok := errors.AsType[malformed](error(errHeadTooLong)); !ok {
		t.Error("errHeadTooLong is no malformed")
	}
}
