package gated

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/gate"
)

func num(v float64, unit string) analysis.Value { return analysis.Value{Number: &v, Unit: unit} }

// made has a requirement that is met, one that is not, and a baseline with a figure of
// each fate; every name in it is text.
func made(text string) Outcome {
	s := &analysis.Summary{}
	s.Environment.Scenario, s.Environment.Host.Name, s.Environment.Evabench = text, text, text
	s.Environment.Simulated = text
	s.Environment.Started = time.Date(2026, 11, 21, 9, 8, 7, 0, time.FixedZone("", 3600))
	requirement := gate.Requirement{Text: text, Metric: gate.MetricLatency, Op: "<=", Limit: 0.3, Unit: "s"}
	figure := analysis.AgainstFigure{Config: text, Figure: text, Step: text, Unit: "s", First: num(1, "s"), Other: num(1.2, "s"), Ratio: num(1.2, "ratio")}
	return Outcome{
		Summary: s, Most: 0.05,
		Results: []gate.Result{
			{Requirement: requirement, Met: true, Points: []gate.Point{{Config: text, Value: num(0.25, "s"), Met: true}}},
			{Requirement: requirement, Points: []gate.Point{{Config: text, Replicate: 1, Step: text, Value: num(0.35, "s")}, {Config: text, Value: analysis.Value{Why: text}, Why: text}}},
		},
		Against: &analysis.Against{Runs: []analysis.AgainstRun{{Label: "A", Name: text}, {Label: "B", Name: text}}},
		Regressions: []gate.Regression{
			{AgainstFigure: figure, Why: text},
			{AgainstFigure: figure, Met: true, Warn: true, Why: text},
			{AgainstFigure: figure, Met: true},
		},
	}
}

// hostile are names that a file from outside may have.
var hostile = []string{
	"plain", `<failure message="x"/>`, "]]>", "&amp;", "a\nb\x00\x1b[31m", "\u202egnp.exe", "|x|=cmd|' /C calc'!A0", strings.Repeat("x", 40_000), "\xff\xfe",
}

// Whatever things are called, the XML is well-formed, has the same elements, and its
// counts are those of its elements.
func TestJUnit(t *testing.T) {
	for _, text := range hostile {
		var b bytes.Buffer
		if err := made(text).JUnit(&b); err != nil {
			t.Fatal(err)
		}
		var all suites
		if err := xml.Unmarshal(b.Bytes(), &all); err != nil {
			t.Fatalf("%.40q: %v", text, err)
		}
		n := map[string]int{}
		for d := xml.NewDecoder(&b); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if e, ok := token.(xml.StartElement); ok {
				n[e.Name.Local]++
			}
		}
		if n["testsuite"] != 2 || n["testcase"] != 5 || n["failure"] != 2 || n["error"] != 0 {
			t.Errorf("%.40q: elements %v", text, n)
		}
		for _, s := range all.Suites {
			failures := 0
			for _, c := range s.Cases {
				if c.Failure != nil {
					failures++
				}
			}
			if s.Tests != len(s.Cases) || s.Failures != failures || s.Timestamp != "2026-11-21T08:08:07" {
				t.Errorf("%.40q: %d tests, %d failures, %s", text, s.Tests, s.Failures, s.Timestamp)
			}
			if !strings.HasPrefix(s.Out, "SIMULATED") {
				t.Errorf("%.40q: the output does not say that it is simulated: %q", text, s.Out)
			}
		}
		if got := all.Suites[1].Out; strings.Count(got, "warning: ") != 1 {
			t.Errorf("%.40q: the warning is not in %q", text, got)
		}
	}
}

// One line for each requirement and figure that is told, whatever things are called.
func TestTextHasALineForEach(t *testing.T) {
	for _, text := range hostile {
		out := made(text).Text()
		if got := strings.Count(out, "\n"); got != 7 { // banner, two, two, the rest of the baseline, the count
			t.Errorf("%.40q: %d lines", text, got)
		}
		if strings.ContainsAny(out, "\x1b\x00\u202e") {
			t.Errorf("%.40q: steers the terminal", text)
		}
		if !strings.HasSuffix(out, "5 requirements: 2 not met, 1 with a warning\n") {
			t.Errorf("%.40q: ends with %q", text, out[max(0, len(out)-80):])
		}
	}
}

// A figure that just misses its limit is not printed as if it met it.
func TestNearMissesAreToldApart(t *testing.T) {
	o := made("x")
	o.Results[1].Points = []gate.Point{{Value: num(0.300001, "s")}}
	if out := o.Text(); !strings.Contains(out, "0.300001 s") || strings.Contains(out, "NOT MET  x  300.0 ms") {
		t.Errorf("300.001 ms against 300 ms:\n%s", out)
	}
}

// Where nothing could be compared with the baseline, one case is an error that says why.
func TestJUnitOfABaselineThatIsNotValid(t *testing.T) {
	for _, text := range hostile {
		o := Outcome{Summary: made(text).Summary, Unjudged: "baseline: " + text}
		var b bytes.Buffer
		if err := o.JUnit(&b); err != nil {
			t.Fatal(err)
		}
		var all suites
		if err := xml.Unmarshal(b.Bytes(), &all); err != nil {
			t.Fatalf("%.40q: %v", text, err)
		}
		if len(all.Suites) != 1 || len(all.Suites[0].Cases) != 1 {
			t.Fatalf("%.40q: %+v", text, all)
		}
		s := all.Suites[0]
		if e := s.Cases[0].Error; s.Tests != 1 || s.Errors != 1 || s.Failures != 0 || e == nil || !strings.HasPrefix(e.Message, "baseline: ") {
			t.Errorf("%.40q: %+v", text, s)
		}
	}
}
