package gate

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Requirement{
		"vision.p95<=300ms":         {Service: "vision", Metric: MetricLatency, Quantile: 0.95, Op: "<=", Limit: 0.3, Unit: "s"},
		" vision.p99.9 < 1.5 s ":    {Service: "vision", Metric: MetricLatency, Quantile: 0.999, Op: "<", Limit: 1.5, Unit: "s"},
		"eyes.v2.latency.p50<=2min": {Service: "eyes.v2", Metric: MetricLatency, Quantile: 0.5, Op: "<=", Limit: 120, Unit: "s"},
		"agent.mean<=40s":           {Service: "agent", Metric: MetricLatency, Op: "<=", Limit: 40, Unit: "s"},
		"agent.ttft.p90@1<2s":       {Service: "agent", Metric: MetricTTFT, Quantile: 0.9, Step: "1", Op: "<", Limit: 2, Unit: "s"},
		"off-ts-a.b=8:agent.tpot.mean@20 req/s, 2 users <= 50 ms": {Config: "off-ts-a.b=8", Service: "agent", Metric: MetricTPOT, Step: "20 req/s, 2 users", Op: "<=", Limit: 0.05, Unit: "s"},
		"agent.throughput>=15req/min":                             {Service: "agent", Metric: MetricThroughput, Op: ">=", Limit: 0.25, Unit: "1/s"},
		"vision.errors<=1%":                                       {Service: "vision", Metric: MetricErrors, Op: "<=", Limit: 0.01, Unit: "ratio"},
		"vision.errors<=0 %":                                      {Service: "vision", Metric: MetricErrors, Op: "<=", Unit: "ratio"},
		"vision.queue<4":                                          {Service: "vision", Metric: MetricQueue, Op: "<", Limit: 4, Unit: "1"},
		"agent.tokens/s>=100":                                     {Service: "agent", Metric: MetricTokens, Op: ">=", Limit: 100, Unit: "1/s"},
		"vision.capacity>=20":                                     {Service: "vision", Metric: MetricCapacity, Op: ">=", Limit: 20},
		"vision.capacity.low > 20 cameras":                        {Service: "vision", Metric: MetricCapacityLow, Op: ">", Limit: 20, LoadUnit: "cameras"},
		"vision.signed>=2.5users":                                 {Service: "vision", Metric: MetricSigned, Op: ">=", Limit: 2.5, LoadUnit: "users"},
		"off-mps: vision.valid":                                   {Config: "off-mps", Service: "vision", Metric: MetricValid},
		"slo":                                                     {Metric: MetricSLO},
		"valid@0":                                                 {Metric: MetricValid, Step: "0"},
	} {
		got, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		want.Text = strings.Trim(text, " ")
		got.column, got.at = 0, 0
		if got != want {
			t.Errorf("%q is\n%+v, want\n%+v", text, got, want)
		}
	}
}

// Each fault points at where it begins, and says what would be right.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ text, at, what, hint string }{
		{"", "", "empty", "SERVICE.METRIC"},
		{"p95<=300ms", "p95<=300ms", "names no service", "vision.p95"},
		{"vision<=300ms", "vision<=300ms", "names no metric", "SERVICE.METRIC"},
		{"vision.p95", "", "no comparison", "write vision.p95<=300ms"},
		{"vision.p95<=", "", "no number", "vision.p95<=300ms"},
		{"vision.p95<=x", "x", "no number", ""},
		{"vision.p95<=1.2.3s", "1.2.3s", "no number", ""},
		{"vision.p95<=300", "", "needs a unit", "s, ms, us, min"},
		{"vision.p95<=300 req/s", " req/s", "no unit of latency", "s, ms, us, min"},
		{"vision.p95>300ms", ">300ms", "takes < or <=, not >", "less of it is better"},
		{"vision.capacity<=20", "<=20", "takes > or >=, not <=", "more of it is better"},
		{"vision.capacity@1>=20", "1>=20", "of a whole search", "leave @1 out"},
		{"vision.queue<=4s", "s", "no unit of queue", "the number alone"},
		{"vision.p0<1s", "p0<1s", "no percentile between 0 and 100", "p50 to p99.9"},
		{"vision.p100<1s", "p100<1s", "no percentile between 0 and 100", "p50 to p99.9"},
		{"vision.ttft<1s", "<1s", "needs a percentile or mean", "vision.ttft.p95"},
		{"vision.p95<=0s", "0s", "above 0", ""},
		{"vision.errors<=101%", "101%", "at most 100 %", ""},
		{"vision.valid>=1", ">=1", "takes no comparison", "write vision.valid"},
		{":vision.valid", ":vision.valid", "no configuration stands before", "every configuration"},
		{"vision.valid@", "", "no step stands behind", "@0"},
		{"vision.latancy<1s", "latancy<1s", `unknown metric "latancy"`, "throughput"},
	} {
		_, err := Parse(c.text)
		var fault *Fault
		if !errors.As(err, &fault) {
			t.Errorf("%q is read", c.text)
			continue
		}
		if got := string([]rune(c.text)[fault.Column:]); got != c.at {
			t.Errorf("%q: the fault is at %q, want %q", c.text, got, c.at)
		}
		if !strings.Contains(fault.What, c.what) || !strings.Contains(fault.Hint, c.hint) {
			t.Errorf("%q: %q, %q; want %q, %q", c.text, fault.What, fault.Hint, c.what, c.hint)
		}
		if lines := strings.Split(fault.Show(), "\n"); strings.Index(lines[2], "^") != 4+fault.Column {
			t.Errorf("%q: the caret stands elsewhere:\n%s", c.text, fault.Show())
		}
	}
}

// What is read is read again the same; what is refused points into the text.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"vision.p95<=300ms", "a:b.ttft.p9@é<2 s", "off=1:x.capacity.low>=2cameras", "valid", "ü.p95<x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		r, err := Parse(text)
		var fault *Fault
		if errors.As(err, &fault) {
			if fault.Column < 0 || fault.Column > utf8.RuneCountInString(fault.Text) || fault.What == "" {
				t.Errorf("%q: %+v", text, fault)
			}
			return
		}
		again, err := Parse(r.Text)
		if err != nil || again != r {
			t.Errorf("%q is %+v, and then %+v, %v", text, r, again, err)
		}
	})
}
