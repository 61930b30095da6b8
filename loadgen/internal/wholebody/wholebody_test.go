package wholebody

import (
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

// header is an answer's fields, by name.
type header map[string]string

func (h header) Field(name string) []byte {
	if v, ok := h[name]; ok {
		return append([]byte{}, v...)
	}
	return nil
}

type judge struct {
	heads  int
	bodies []string
	tags   []any
}

func (j *judge) Head(httpx.Header) { j.heads++ }
func (j *judge) Body(tag any, body []byte, a *loadgen.Answer) {
	j.bodies, j.tags = append(j.bodies, string(body)), append(j.tags, tag)
	a.Outcome = results.WrongAnswer
}

// A body is one chunk, from its first byte to its last, whatever its pieces.
func TestReader(t *testing.T) {
	var j judge
	r := New(&j)
	for i, c := range []struct {
		pieces       []string
		body         string
		first, final results.Offset
		chunks       int64
	}{
		{[]string{"", "ab", "c"}, "abc", 1, 2, 1},
		{[]string{"d"}, "d", 0, 0, 1}, // nothing of the one before is left
		{nil, "", results.NoOffset, results.NoOffset, 0},
	} {
		x := &loadgen.Exchange{}
		x.Begin()
		r.Begin(&httpx.Request{Tag: i}, header{}, x)
		for at, p := range c.pieces {
			if r.Body([]byte(p), results.Offset(at)) {
				t.Errorf("%q is complete before its end", c.body)
			}
		}
		r.End(9)
		a := x.Answer
		if a.First != c.first || a.Final != c.final || a.Chunks != c.chunks || a.LongestGap != 0 || a.Outcome != results.WrongAnswer {
			t.Errorf("%q: %+v", c.body, a)
		}
		if j.heads != i+1 || len(j.bodies) != i+1 || j.bodies[i] != c.body || j.tags[i] != i {
			t.Errorf("%q was seen as %+v", c.body, j)
		}
	}
}
