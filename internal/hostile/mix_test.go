package hostile

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/results"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// A caller is a client with one connection.
type caller struct {
	net.Conn
	in *bufio.Reader
}

func call(t *testing.T, l net.Listener) *caller {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return &caller{c, bufio.NewReader(c)}
}

// ask sends a request and gives the answer's body, or what went wrong.
func (c *caller) ask() string {
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err.Error()
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(r.StatusCode, string(body))
}

// mix starts a Mix whose every third request, from the fourth on, begins a case.
func mix(t *testing.T, cases ...Case) (*Mix, net.Listener) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := ServeMix(l, Options{Good: length("fine"), Every: 3, From: 3, Cases: cases, Seed: 1})
	t.Cleanup(m.Close)
	return m, l
}

// told is the log of a Mix in one line.
func told(m *Mix) string {
	var all []string
	for _, a := range m.Asked() {
		all = append(all, strings.TrimSpace(fmt.Sprint(a.Case, " ", a.Want)))
	}
	return strings.Join(all, ", ")
}

// A case in the middle of a kept connection: it goes on after one that leaves it of
// use, with one request more where the case is about two.
func TestMixGoesOn(t *testing.T) {
	m, l := mix(t, Case{Name: "500", Serve: says("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"), Want: all(results.HTTP5xx, results.HTTP5xx)})
	c := call(t, l)
	defer c.Close()
	for i, want := range []string{"200fine", "200fine", "200fine", "200fine", "200fine", "500no", "200fine", "200fine", "500no"} {
		if got := c.ask(); got != want {
			t.Errorf("answer %d is %q, want %q", i, got, want)
		}
	}
	if got, want := told(m), "ok, ok, ok, ok, ok, 500 http_5xx, ok, ok, 500 http_5xx"; got != want || m.Most() != 1 {
		t.Errorf("%d connections; the log is %q, want %q", m.Most(), got, want)
	}
}

// A case of two requests has both, and ends the connection.
func TestMixOfTwo(t *testing.T) {
	two := Case{Name: "closed on the next", Serve: func(c *Conn, n int) {
		if c.Request() && c.Say(length("fine")) && n == 1 {
			c.Request()
		}
	}, Want: all(results.OK, results.Reset)}
	m, l := mix(t, two)
	c := call(t, l)
	for range 6 {
		if got := c.ask(); got != "200fine" {
			t.Errorf("got %q", got)
		}
	}
	if got := c.ask(); got != "unexpected EOF" {
		t.Errorf("the next got %q", got)
	}
	// One that was on its way when the server closed is counted too.
	if got := c.ask(); got != "unexpected EOF" {
		t.Errorf("the one after got %q", got)
	}
	c.Close()
	m.listener.Close()
	m.running.Wait() // what was sent is read
	want := "ok, ok, ok, ok, ok, closed on the next ok, closed on the next reset, closed on the next, and on reset"
	if got := told(m); got != want {
		t.Errorf("the log is %q, want %q", got, want)
	}
	if m.Held() == 0 {
		t.Error("the client kept the connection, and it is not said")
	}
}

// Each case is played once before one is played again, in an order of the seed.
func TestMixDeals(t *testing.T) {
	var cases []Case
	for i := range 5 {
		cases = append(cases, Case{Name: fmt.Sprint(i), Serve: says(length("fine")), Want: ok})
	}
	var orders []string
	for range 2 {
		m, l := mix(t, cases...)
		c := call(t, l)
		for range 3 + 3*10 {
			c.ask()
		}
		c.Close()
		var names []string
		for _, a := range m.Asked() {
			if a.Case != "" {
				names = append(names, a.Case)
			}
		}
		first, second := slices.Sorted(slices.Values(names[:5])), slices.Sorted(slices.Values(names[5:]))
		if !slices.Equal(first, second) || strings.Join(first, "") != "01234" {
			t.Errorf("played %v", names)
		}
		orders = append(orders, strings.Join(names, ""))
	}
	if orders[0] != orders[1] {
		t.Errorf("the same seed played %q, then %q", orders[0], orders[1])
	}
}

// A flood comes no faster than over a network: a millisecond for each burst.
func TestMixFloods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := time.Now()
		var p play
		for range 100 {
			p.pause(burst / 2)
		}
		if took := time.Since(from); took != 50*time.Millisecond {
			t.Errorf("100 halves of a burst took %v, want 50ms", took)
		}
	})
}

// Whatever good text cases are made of, they can be made, and their names differ.
func TestCasesOfTexts(t *testing.T) {
	for _, texts := range []Texts{Plain, {Good: strings.Repeat("0", 12), Event: "e", Done: "d"}} {
		seen := map[string]bool{}
		for _, c := range Cases(texts, 1<<10) {
			if seen[c.Name] || c.Serve == nil || len(c.Want) == 0 {
				t.Errorf("%q: seen %v, %d outcomes", c.Name, seen[c.Name], len(c.Want))
			}
			seen[c.Name] = true
		}
		if len(seen) < 70 {
			t.Errorf("%d cases", len(seen))
		}
	}
}
