package report

import "github.com/evabench/evabench/analysis"

// costTable tells what configurations take for what they give; a Section without a title if there is nothing to tell.
func costTable(s *analysis.Summary) Section { return Section{} }
