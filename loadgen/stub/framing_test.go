package stub

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// frames runs a framer over pieces, as a connection does, and tells what it found.
func frames(pieces [][]byte) string {
	var f framer
	var found strings.Builder
	var held []byte
	for _, piece := range pieces {
		held = append(held, piece...)
		for len(held) > 0 {
			n, e, err := f.take(held)
			held = held[n:]
			if err != nil {
				return found.String() + "refused"
			}
			if e == whole {
				fmt.Fprintf(&found, "whole length=%d chat=%v stream=%v close=%v;", f.length, f.chat, f.stream.found, f.close)
			}
			if e == more {
				break
			}
		}
	}
	if len(held) > 0 || f.inBody {
		found.WriteString("cut")
	}
	return found.String()
}

func TestFraming(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"get", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "whole length=0 chat=false stream=false close=false;"},
		{"two", "GET / HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\nConnection: close\r\n\r\n",
			"whole length=0 chat=false stream=false close=false;whole length=0 chat=false stream=false close=true;"},
		{"length", "POST /p HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET", "whole length=3 chat=false stream=false close=false;cut"},
		{"chunks", "POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n",
			"whole length=-1 chat=false stream=false close=false;"},
		{"stream", "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"stream\" :true", "whole length=15 chat=true stream=true close=false;"},
		{"no stream", "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"stream\":false", "whole length=15 chat=true stream=false close=false;"},
		{"quoted stream", "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 17\r\n\r\n\\\"stream\\\": true}", "whole length=17 chat=true stream=false close=false;"},
		{"old", "GET / HTTP/1.0\r\n\r\n", "whole length=0 chat=false stream=false close=true;"},
		{"old kept", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "whole length=0 chat=false stream=false close=false;"},
		{"no protocol", "GET /\r\n\r\n", "refused"},
		{"another protocol", "GET / HTTP/2\r\n\r\n", "refused"},
		{"negative", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "refused"},
		{"two lengths", "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "refused"},
		{"length and chunks", "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "refused"},
		{"no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", "refused"},
		{"no size", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "refused"},
		{"long chunk", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "refused"},
		{"huge chunk", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "refused"},
		{"long header", "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", maxHead), "refused"},
		{"cut", "GET / HTTP/1.1\r\nHost", "cut"},
	} {
		if got := frames([][]byte{[]byte(c.in)}); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestFramingOfAnyCut: how the bytes are cut does not matter.
func TestFramingOfAnyCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []byte
		want := ""
		for range rapid.IntRange(1, 5).Draw(t, "requests") {
			body := rapid.SampledFrom([]string{"", `{"a":1,"stream": true}`, `{"stream":false}`, strings.Repeat("x", 3000)}).Draw(t, "body")
			path := rapid.SampledFrom([]string{"/predictions/m", "/v1/chat/completions"}).Draw(t, "path")
			length := len(body)
			if rapid.Bool().Draw(t, "chunked") {
				length = -1
				all = fmt.Appendf(all, "POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", path)
				for rest := body; rest != ""; {
					n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
					all = fmt.Appendf(all, "%x\r\n%s\r\n", n, rest[:n])
					rest = rest[n:]
				}
				all = append(all, "0\r\n\r\n"...)
			} else {
				all = fmt.Appendf(all, "POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", path, length, body)
			}
			chat := path != "/predictions/m"
			want += fmt.Sprintf("whole length=%d chat=%v stream=%v close=false;", length, chat, chat && strings.HasSuffix(body, "true}"))
		}
		var pieces [][]byte
		for rest := all; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		if got := frames(pieces); got != want {
			t.Fatalf("%q in %d pieces: got %q, want %q", all, len(pieces), got, want)
		}
	})
}

// FuzzFraming: no input breaks the framer, and one byte at a time finds the same
// as all at once. What is refused may be refused one request earlier or later.
func FuzzFraming(f *testing.F) {
	f.Add([]byte("POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte("\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4096 {
			return
		}
		pieces := make([][]byte, len(in))
		for i := range in {
			pieces[i] = in[i : i+1]
		}
		if got, want := frames(pieces), frames([][]byte{in}); got != want {
			t.Errorf("%q byte by byte: %q, at once: %q", in, got, want)
		}
	})
}

func TestStallEnd(t *testing.T) {
	s := Stall{Every: 10, For: 2}
	for now, want := range map[time.Duration]time.Duration{0: 0, 7: 0, 8: 10, 9: 10, 10: 0, 17: 0, 18: 20, 19: 20, 20: 0} {
		if got := s.end(now); got != want {
			t.Errorf("%v at %v ends at %v, want %v", s, now, got, want)
		}
	}
	if got := (Stall{}).end(8); got != 0 {
		t.Errorf("no stall ends at %v", got)
	}
}

// TestHeap: whatever is set, moved and removed, the earliest comes first.
func TestHeap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		conns := make([]conn, 20)
		in := map[*conn]bool{}
		var h heap
		for range rapid.IntRange(1, 100).Draw(t, "changes") {
			c := &conns[rapid.IntRange(0, len(conns)-1).Draw(t, "conn")]
			if rapid.Bool().Draw(t, "remove") {
				h.remove(c)
				delete(in, c)
			} else {
				c.at = time.Duration(rapid.IntRange(0, 30).Draw(t, "at"))
				h.set(c)
				in[c] = true
			}
		}
		for last := time.Duration(0); len(h) > 0; {
			c := h[0]
			if !in[c] || c.at < last {
				t.Fatalf("%v came after %v, or was not set", c.at, last)
			}
			last = c.at
			h.remove(c)
			delete(in, c)
		}
		if len(in) > 0 {
			t.Fatalf("%d that were set did not come", len(in))
		}
	})
}
