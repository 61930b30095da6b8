package report

import "github.com/evabench/evabench/analysis"

// recommendation says which configuration to use, and how a race went; a Section without a title if there is nothing to tell.
func recommendation(s *analysis.Summary) Section { return Section{} }
