package loadgen

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// weighs is an endpoint whose prepared requests say that they hold so many bytes.
type weighs struct {
	Endpoint
	each int64
}

func (w weighs) Prepare(*Request) (Prepared, error) { return weight(w.each), nil }

type weight int64

func (w weight) Weight(*Request) int64 { return int64(w) }

// untold is one whose prepared requests do not say.
type untold struct{ Endpoint }

func (untold) Prepare(*Request) (Prepared, error) { return "words", nil }

// The requests that a step's quick workloads prepare hold maxPrepared together at
// the most.
func TestPreparedAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		requests []int // of each service
		endpoint Endpoint
		refused  string // what is said; empty: it is not refused
	}{
		"all of it":   {[]int{4}, weighs{each: maxPrepared / 4}, ""},
		"too many":    {[]int{5}, weighs{each: maxPrepared / 4}, "its 5 requests"},
		"a byte":      {[]int{4}, weighs{each: maxPrepared/4 + 1}, "its 4 requests"},
		"many":        {[]int{3000}, weighs{each: 4_915_200}, "its 3000 requests, one for each class and image, hold 14.7 GB in the endpoint's form (4.9 MB each); a step's services may hold 4.0 GB: "},
		"together":    {[]int{3, 2}, weighs{each: maxPrepared / 4}, "its 2 requests"},
		"one image's": {[]int{100_000}, weighs{each: 0}, ""},
		"not told":    {[]int{100_000}, untold{}, ""},
	} {
		r, said := &run{}, ""
		for _, n := range c.requests {
			s := &service{run: r, load: Load{Targets: []Target{{Endpoint: c.endpoint}}}, planners: make(chan struct{}, 2)}
			requests := make([]*Request, n)
			for i := range requests {
				requests[i] = &Request{}
			}
			if err := s.prepareAll(requests); err != nil {
				said = err.Error()
			} else if len(s.prepared) != n {
				t.Errorf("%s: %d prepared, want %d", name, len(s.prepared), n)
			}
		}
		if (said == "") != (c.refused == "") || !strings.HasPrefix(said, c.refused) {
			t.Errorf("%s: %q, want %q", name, said, c.refused)
		}
	}
}

// dials gives one endpoint.
type dials struct{ Endpoint }

func (d dials) Dial(string) (Endpoint, error) { return d.Endpoint, nil }

// dialsTLS refuses URLs without it, as a transport does that is set for it.
type dialsTLS struct{ Endpoint }

func (d dialsTLS) Dial(url string) (Endpoint, error) {
	if !strings.HasPrefix(url, "https:") {
		return nil, errors.New("tls is for https URLs")
	}
	return d.Endpoint, nil
}

func (weighs) Close() {}

// weighsByTurns has requests of half the weight among the others.
type weighsByTurns struct{ weighs }

func (w weighsByTurns) Prepare(r *Request) (Prepared, error) {
	if r.Class == "light" {
		return weight(w.each / 2), nil
	}
	return weight(w.each), nil
}

// asksFor is a quick workload of so many requests, the second half of them light.
type asksFor int

func (asksFor) Session(uint64, int64) Session { return nil }

func (a asksFor) Requests() []*Request {
	all := make([]*Request, a)
	for i := range all {
		all[i] = &Request{}
		if i >= len(all)/2 {
			all[i].Class = "light"
		}
	}
	return all
}

// What is plainly too heavy is refused before there is a server; what may fit is not.
func TestCheckPrepared(t *testing.T) {
	tensor := weighs{each: 4_000_000}
	for name, c := range map[string]struct {
		of       Workload
		endpoint Endpoint
		want     string
	}{
		"all of it": {asksFor(1000), tensor, ""},
		"too many":  {asksFor(1001), tensor, "its 1001 requests, one for each class and image, hold 4.0 GB"},
		"may fit":   {asksFor(2000), weighsByTurns{tensor}, ""},
		"cannot":    {asksFor(2002), weighsByTurns{tensor}, "its 2002 requests"},
		"none":      {asksFor(0), tensor, ""},
		"not quick": {struct{ Workload }{}, tensor, ""},
	} {
		err := CheckPrepared(c.of, dials{c.endpoint})
		if said := fmt.Sprint(err); (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(said, c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := CheckPrepared(asksFor(1001), dialsTLS{tensor}); err == nil {
		t.Error("what is too much for an endpoint with TLS passes")
	}
}
