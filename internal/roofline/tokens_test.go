package roofline

import (
	"strconv"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// scripted is an endpoint whose only line hands out answers by hand.
type scripted struct{ loadgen.Endpoint }

func (s scripted) Open(pace.Loop) (loadgen.Line, error) { return &scriptedLine{}, nil }

type scriptedLine struct{ loadgen.Line }

func (*scriptedLine) Send(p loadgen.Prepared, x *loadgen.Exchange) {
	x.Begin()
	x.Answer.Outcome = results.OK
	for _, at := range p.(answer).at {
		x.Content(at)
	}
	x.Answer.Text = p.(answer).text
	x.Done(x)
}

type answer struct {
	at   []results.Offset
	text string
}

// TestTokens: tokens whose errors are known come back as those, over an exchange
// that is used again and again, and its own functions are called as without us.
func TestTokens(t *testing.T) {
	tokens := newTokens()
	tokens.origin = results.NewOrigin(time.Now())
	zero := tokens.origin.Time(0).UnixNano()
	line, err := timedEndpoint{scripted{}, tokens}.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	done, gaps := 0, 0
	x := &loadgen.Exchange{Done: func(*loadgen.Exchange) { done++ }, Gap: func(time.Duration) { gaps++ }}
	const ms = results.Offset(time.Millisecond)
	text := func(sent ...int64) (all string) {
		for _, s := range sent {
			all += strconv.FormatInt(zero+s, 36) + " "
		}
		return all
	}
	for _, a := range []answer{
		{[]results.Offset{10 * ms, 20 * ms, 30 * ms}, text(10e6-1_000, 20e6-2_000, 30e6-3_000)},
		{[]results.Offset{40 * ms, 50 * ms}, text(40e6-1_000, 50e6+5_000)}, // the second before it was sent
		{[]results.Offset{60 * ms, 60 * ms}, text(60e6)},                   // a token without its text
		{[]results.Offset{70 * ms}, "no stamp"},
		{nil, ""},
	} {
		line.Send(a, x)
	}
	if done != 5 || gaps != 4 || x.Gap == nil {
		t.Errorf("done was called %d times of 5, gap %d of 4", done, gaps)
	}
	if tokens.counted != 5 || tokens.early != 1 {
		t.Errorf("%d tokens, %d early, want 5 and 1", tokens.counted, tokens.early)
	}
	// The errors are 0, 1, 1, 2 and 3 µs.
	if p50, most := tokens.at(50), tokens.at(100); p50 < 990 || p50 > 1_010 || most < 2_990 || most > 3_010 {
		t.Errorf("p50 %v, max %v, want 1µs and 3µs", p50, most)
	}
	if n := tokens.within(20*ms, 50*ms); n != 3 {
		t.Errorf("%d tokens from 20 to 50 ms, want 3", n)
	}
}
