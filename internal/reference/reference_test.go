package main

import (
	"os"
	"strings"
	"testing"
)

// TestReferenceIsUpToDate holds the page against the structs.
func TestReferenceIsUpToDate(t *testing.T) {
	want, err := page("../..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/reference/scenario.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/reference/scenario.md is not up to date: make reference")
	}
	// Of each way to a key one: plain, of a list, of a name, of another package, inlined.
	for _, key := range []string{"version", "matrix.exclude[].layout", "services.NAME.load.shape[].factor", "services.NAME.models.NAME.memory", "check.min_boxes", "api_key_env", "transport.tls.ca_file"} {
		if !strings.Contains(want, "| `"+key+"` | ") {
			t.Errorf("no key %s", key)
		}
	}
	for _, line := range strings.Split(want, "\n") {
		if strings.HasPrefix(line, "| `") && strings.HasSuffix(line, "` |  |") {
			t.Errorf("no meaning: %s", line)
		}
	}
}
