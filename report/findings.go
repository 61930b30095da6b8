package report

import "github.com/evabench/evabench/analysis"

// findingsOf tells the diagnoses, the signs to stop sharing and the playbook; a Section without a title if there is nothing to tell.
func findingsOf(s *analysis.Summary) Section { return Section{} }
