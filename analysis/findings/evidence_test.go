package findings

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// What is not enough for a rule, or for it to be sure, and what must not silence it.
func TestEvidence(t *testing.T) {
	// Of 3,000 arrivals and more 200 failed, and 2 % of the answers, or none, were late. The
	// p99 of all arrivals falls among those that failed.
	failing := func(purpose string, tardy float64) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			everywhere(s, func(_ *analysis.Cell, step *analysis.Step, v *analysis.Service) {
				const failed = 200
				step.Purpose = purpose
				v.Total.OK -= failed
				v.Total.Outcomes = append(v.Total.Outcomes, analysis.Count{Outcome: results.Timeout, N: failed})
				k := &v.SLO[0]
				k.Result, k.Value, k.Judged, k.Over = analysis.NotMet, none("s"), v.Total.Due, failed+int64(tardy*float64(v.Total.OK))
			})
		}
	}
	// The first card is slow for no reason that is told, the second one held by a power cap
	// and as fast as ever.
	cards := func(s *analysis.Summary) {
		for _, step := range s.Cells[2].Steps {
			g := step.Activity.GPUs
			g[0].SMClock, g[1].Reasons[1].Share = val(1.88e9, "Hz"), val(0.2, "ratio")
		}
	}
	// One replicate, in which a neighbour that has twice its load in three steps costs half.
	once := func(s *analysis.Summary) {
		mixed(s)
		s.Cells = s.Cells[:1]
		last := s.Cells[0].Steps[2]
		s.Cells[0].Steps = append(s.Cells[0].Steps, last)
		s.Cells[0].Steps[3].Services = slices.Clone(last.Services)
		for j := range s.Cells[0].Steps {
			v := s.Cells[0].Steps[j].Services
			v[0].Level.Value = 20
			if j > 0 {
				v[0].Total.Served.Mean, v[1].Level.Value = val(0.075, "s"), 8
			}
		}
	}
	// Every class of one step alone has a long tail.
	oneStep := func(s *analysis.Summary) {
		v := &s.Cells[0].Steps[1].Services[0]
		v.Classes = []analysis.Group{group("a", 10), group("b", 10)}
		for i := range v.Classes {
			v.Classes[i].Served.Quantiles[1] = between(0.99, 0.3, 0.29, 0.33)
		}
	}
	// The configuration with more workers was driven up to half the load of the other.
	less := func(s *analysis.Summary) {
		workers(40)(s)
		for i := range 3 {
			s.Cells[i].Steps = s.Cells[i].Steps[:2]
		}
	}
	// At the largest load computing takes 3, 6 and 9 % longer.
	slower := func(s *analysis.Summary) {
		everywhere(s, func(c *analysis.Cell, step *analysis.Step, v *analysis.Service) {
			if step.Index == 2 {
				v.Growth = analysis.QueueGrowth{Result: analysis.Grew, Size: val(400, "1"), Floor: val(20, "1")}
				v.Waiting[0].Inference = figure(0.040*(1.06+0.03*float64(c.Cell.Replicate-2)), "s")
			}
		})
	}
	for name, c := range map[string]struct {
		change     func(*analysis.Summary)
		rule       string
		confidence string // empty if it does not fire
	}{
		"answers are quick, and p99 falls among the failed": {failing("", 0), "errors-before-latency", strong},
		"small batches, and nothing late":                   {failing("", 0), "batch-delay", ""},
		"answers are late too":                              {failing("", 0.02), "errors-before-latency", ""},
		"answers are late too, in a probe":                  {failing(results.PurposeProbe, 0.02), "errors-before-latency", ""},
		"one card is slow and another held":                 {cards, "clock-drop", ""},
		"one deployment, many steps":                        {once, "interference", weak},
		"two classes of one step":                           {oneStep, "jitter", ""},
		"more workers at less load":                         {less, "too-many-workers", ""},
		"computing took a little longer":                    {slower, "capacity-reached", weak},
	} {
		s := healthy()
		c.change(s)
		Complete(s)
		got := ""
		for _, f := range s.Findings.Top {
			if f.Rule == c.rule {
				got = f.Confidence
			}
		}
		if got != c.confidence || got == "" && slices.Contains(s.Findings.Fired["base"], c.rule) {
			t.Errorf("%s: %s is %q, want %q: %+v", name, c.rule, got, c.confidence, s.Findings.Top)
		}
	}
}

// Pairs of steps of one cell share its least load: together they count once.
func TestWorkGrowthCountsCells(t *testing.T) {
	s := healthy()
	everywhere(s, func(_ *analysis.Cell, step *analysis.Step, v *analysis.Service) {
		if step.Index > 0 {
			v.Level.Value = 40
			v.Waiting[0].Inference = figure(0.050, "s")
		}
	})
	for cells, want := range map[int]string{1: weak, 3: strong} {
		part := *s
		part.Cells = s.Cells[:cells]
		confidence, words := workGrew(viewsOf(&part, "base")[0])
		if confidence != want || !strings.Contains(words, fmt.Sprintf("(n = %d)", cells)) {
			t.Errorf("%d cells: %s: %s", cells, confidence, words)
		}
	}
}
