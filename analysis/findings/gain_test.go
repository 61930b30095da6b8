package findings

import (
	"slices"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// A contrast tells the same either way round. What is better on one deployment of each is not shown to be: how deployments differ is not
// known.
func TestOneDeploymentShowsNothing(t *testing.T) {
	for _, c := range []struct {
		basis      string
		turned     bool // the contrast is of base against mig
		confidence string
		slicing    string
	}{
		{analysis.BasisReplicates, false, strong, "mig has +29.5 % of the Vision of base."},
		{analysis.BasisReplicates, true, strong, "mig has +29.5 % of the Vision of base."},
		{analysis.BasisWithin, false, weak, "mig has +29.5 % of the Vision of base, on one deployment of each, so that it is not shown; repeat them."},
	} {
		s := healthy()
		steps(func(step *analysis.Step) { // processes take turns, and nothing tells what that costs
			for i := range step.Activity.Devices {
				step.Activity.Devices[i].Processes, step.Activity.Devices[i].Graphics, step.Activity.Devices[i].Switching = val(4, "1"), val(0.9, "ratio"), none("ratio")
			}
		})(s)
		mig := healthyCell(9, 1, "mig")
		mig.MIG, mig.Cell.Config.Layout = analysis.UseAll, "4x1g.24gb"
		s.Cells = append(s.Cells, mig)
		s.Contrasts = []analysis.Contrast{{Of: "mig", Against: "base", Figure: "Vision", Verdict: analysis.ContrastBetter, Basis: c.basis, Pairs: 1, Ratio: val(1.295, "ratio"), Low: val(1.2, "ratio"), High: val(1.4, "ratio")}}
		if c.turned {
			s.Contrasts[0] = turned(s.Contrasts[0])
		}
		s.Contrasts = append(s.Contrasts, turned(s.Contrasts[0])) // as base and best are compared
		Complete(s)
		i := slices.IndexFunc(s.Findings.Top, func(f analysis.Finding) bool { return f.Rule == "context-switching" })
		if i < 0 || s.Findings.Top[i].Confidence != c.confidence {
			t.Errorf("%s: want context-switching, %s: %+v", c.basis, c.confidence, s.Findings.Top)
		} else if got := s.Findings.Top[i].Because[0]; got != "mig has +29.5 % of its Vision (x1.295 [1.200, 1.400], n = 1)" {
			t.Errorf("it says %q", got)
		}
		if got := s.Findings.Playbook[4]; got != "5. Slice the GPU anew: "+c.slicing {
			t.Errorf("%s: %q, want %q in it", c.basis, got, c.slicing)
		}
	}
}
