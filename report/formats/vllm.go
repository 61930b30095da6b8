package formats

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/evabench/evabench/report"
)

// writeVLLM writes an object a line, as vllm bench serve --append-result does: a run with
// one of them is the JSON file that --save-result leaves.
func writeVLLM(w io.Writer, d *report.Document) error {
	if d.Summary == nil || d.Data != nil {
		return errors.New("it tells of one run, and this is of none or of several")
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, result := range report.VLLMResults(d.Summary) {
		if err := e.Encode(result); err != nil {
			return err
		}
	}
	return nil
}
