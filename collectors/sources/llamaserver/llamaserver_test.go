package llamaserver

import (
	"maps"
	"net/http"
	"os"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/internal/kind"
)

func TestSource(t *testing.T) {
	source, err := kind.Set[collectors.Source]{Kind}.Build(kind.Spec{Name: "llama-server"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/page.txt")
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.Page(t, source, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(text)
	}))
	got, err := sourcetest.Text(t, source, string(text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"llamacpp:requests_processing": 4, "llamacpp:requests_deferred": 12,
		"llamacpp:prompt_tokens_total": 33065, "llamacpp:prompt_tokens_cached_total": 512, "llamacpp:prompt_seconds_total": 235.743,
		"llamacpp:tokens_predicted_total": 7801, "llamacpp:tokens_predicted_seconds_total": 410.5,
		"llamacpp:n_decode_total": 2300, "llamacpp:n_tokens_max": 812,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
