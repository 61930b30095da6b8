package sources

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/internal/kind"
)

// No source of an engine takes a router's page for one, even if the engine's own
// series are on it.
func TestRoutersAreRefused(t *testing.T) {
	files, err := filepath.Glob("../internal/page/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no routers' pages: %v", err)
	}
	engines := "vllm:num_requests_running 1\nvllm:num_requests_waiting 2\nllamacpp:requests_processing 1\nllamacpp:requests_deferred 2\n" +
		"nv_inference_request_success{model=\"m\"} 1\nts_inference_requests_total{model_name=\"m\"} 1\n"
	for _, name := range []string{"llama-server", "sglang", "torchserve-metrics", "triton", "vllm"} {
		source, err := Kinds.Build(kind.Spec{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, more := range []string{"", engines} {
				got, err := sourcetest.Text(t, source, string(text)+more)
				if !errors.Is(err, page.ErrRouter) || len(got) > 0 {
					t.Errorf("%s read %s: got %v, %v, want a refusal", name, file, got, err)
				}
			}
		}
	}
}
