package analysis

import (
	"encoding/json"
	"testing"

	"github.com/evabench/evabench/results"
)

// No value that a server can tell, whatever its page says, ends the summary or makes a
// number that cannot be written.
func TestPagesOfAnyValueAreTold(t *testing.T) {
	q := madeQueue{rate: 6, service: 0.1, frontend: 0.4, window: 60, seed: 7}
	list := q.customers()
	all := []string{
		"vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:request_success_total", "vllm:request_queue_time_seconds_sum",
		"vllm:request_queue_time_seconds_count", "vllm:server_load", results.SeriesReadSeconds, results.SeriesReadOK,
	}
	for i, series := range all {
		for _, other := range all[i:] {
			for _, values := range [][2]float64{{1.7e308, 1.7e308}, {-1.7e308, 1.7e308}, {1.7e308, 1e-320}, {1e-320, 1.7e308}, {-1, 0}} {
				func() {
					defer func() {
						if fault := recover(); fault != nil {
							t.Errorf("%s and %s = %v: %v", series, other, values, fault)
						}
					}()
					f := q.facts(list, nil)
					loaded(&f, list, func(in int) (float64, bool) { return float64(in), true })
					had := f.cells[0].observations
					f.cells[0].observations = func(yield func(results.Observation, error) bool) {
						for o, err := range had {
							if o.At >= offset(30) && o.Series == other {
								o.Value = values[1]
							}
							if o.At >= offset(30) && o.Series == series {
								o.Value = values[0]
							}
							if !yield(o, err) {
								return
							}
						}
					}
					words := f.cells[0].steps[0].samples
					f.cells[0].steps[0].samples = func(yield func(results.Sample, error) bool) {
						for s, err := range words {
							if s.ServerQueue = 1; !yield(s, err) {
								return
							}
						}
					}
					s, err := summarize(f)
					if err != nil {
						t.Errorf("%s and %s = %v: %v", series, other, values, err)
					}
					if _, err := json.Marshal(s); err != nil {
						t.Errorf("%s and %s = %v: %v", series, other, values, err)
					}
				}()
			}
		}
	}
}
