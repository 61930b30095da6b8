package llamaserver

import (
	"flag"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/internal/kind"
)

var update = flag.Bool("update", false, "write the golden parses")

func build(t *testing.T) collectors.Source {
	t.Helper()
	s, err := kind.Set[collectors.Source]{Kind}.Build(kind.Spec{Name: "llama-server"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	good, _ := sourcetest.Served(t, "testdata/recorded-busy.txt")
	sourcetest.Page(t, build(t), good)
}

func TestPages(t *testing.T) { sourcetest.Pages(t, build(t), *update) }

// The recorded server has one slot and was given five requests at once.
func TestBusy(t *testing.T) {
	_, text := sourcetest.Served(t, "testdata/recorded-busy.txt")
	got, err := sourcetest.Text(t, build(t), text)
	if err != nil || got["llamacpp:requests_processing"] != 1 || got["llamacpp:requests_deferred"] != 4 {
		t.Errorf("got %v, %v, want 1 processing and 4 deferred", got, err)
	}
}
