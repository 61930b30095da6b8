package sim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// The server's own account has exactly the requests that were answered, each
// with the time that the model took, whatever the scale; refused and broken
// ones are in none.
func TestCounts(t *testing.T) {
	for _, k := range []float64{1, 50} {
		t.Run(fmt.Sprint("scale ", k), func(t *testing.T) {
			client, ready := start(t, Options{Instances: true, Scale: k})
			m := &Machine{Server: "pro6000x1", control: client}
			frame := jpegFrame(t, 64, 64, 1)
			ask := func(url, contentType string, body []byte, want int) {
				t.Helper()
				resp, err := http.Post(url, contentType, bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != want {
					t.Fatalf("%s: %s, %v", url, resp.Status, err)
				}
			}
			vision, agent := ready.Instances[0], ready.Instances[1]
			for range 3 {
				ask(vision.URL+"/predictions/omdet", "image/jpeg", frame, http.StatusOK)
			}
			ask(vision.URL+"/predictions/omdet", "image/jpeg", []byte("no picture"), http.StatusServiceUnavailable)
			ask(vision.URL+"/predictions/none", "image/jpeg", frame, http.StatusNotFound)
			for range 2 {
				ask(agent.URL+"/v1/chat/completions", "application/json",
					[]byte(`{"model":"qwen3-vl-8b","max_tokens":3,"ignore_eos":true,"messages":[{"role":"user","content":"hello"}]}`), http.StatusOK)
			}
			job := m.Counts()
			if job.Name != results.SourceServer || job.Subject != (results.Subject{Kind: results.SubjectHost, ID: "pro6000x1"}) {
				t.Errorf("job %+v", job)
			}
			readings, err := job.Collector.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]collectors.Reading{}
			for _, r := range readings {
				got[r.Subject.ID+" "+r.Series] = r
			}
			for name, want := range map[string]float64{"vision-0": 3, "agent-0": 2} {
				n, took := got[name+" "+results.SeriesServerFinished], got[name+" "+results.SeriesServerTook]
				if n.Value != want || n.Subject.Kind != results.SubjectEndpoint || n.Unit != "1" {
					t.Errorf("%s finished %+v, want %v", name, n, want)
				}
				// A detection alone takes some 10 ms to 100 ms of server time, a call of three tokens some 50 ms to 500 ms.
				if mean := took.Value / want; mean < 5e-3 || mean > 0.5 || took.Unit != "s" {
					t.Errorf("%s took %+v for %v requests", name, took, want)
				}
			}
			if late, ok := got["pro6000x1 "+results.SeriesServerLate]; !ok || !(late.Value >= 0) || late.Unit != "s" {
				t.Errorf("lateness %+v", late)
			}
			if len(readings) != 5 {
				t.Errorf("%d readings, want 5: %+v", len(readings), readings)
			}
		})
	}
}
