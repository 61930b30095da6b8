package glossary

import (
	"slices"
	"strings"
	"testing"
)

// No two words are called the same, each says something, and what it refers to is there.
func TestTermsAreWhole(t *testing.T) {
	of, n := map[string]string{}, 0
	for term := range terms {
		n++
		for _, name := range term.names() {
			if before, ok := of[plain(name)]; ok {
				t.Errorf("%q is a name of %q and of %q", name, before, term.Name)
			}
			of[plain(name)] = term.Name
		}
	}
	if n == 0 {
		t.Fatal("no terms")
	}
	for term := range terms {
		if !strings.HasSuffix(term.Text, ".") && !strings.HasSuffix(term.Text, "?") || strings.ContainsAny(term.Text, "\n\t") || strings.Contains(term.Text, "  ") {
			t.Errorf("%s: its text is no plain sentences in one line: %q", term.Name, term.Text)
		}
		if len(term.See) == 0 {
			t.Errorf("%s: nothing to read next", term.Name)
		}
		for i, see := range term.See {
			if of[plain(see)] == "" || of[plain(see)] == term.Name || slices.Contains(term.See[:i], see) {
				t.Errorf("%s: see %q, which is no other word, or named twice", term.Name, see)
			}
		}
	}
}

func TestFindIsNotParticular(t *testing.T) {
	for name, want := range map[string]string{
		"mig": "MIG", "GPU Instance": "GI", "gpu_instance": "GI", "p99": "percentile", "Littles law": "Little's law",
		"time to first token": "TTFT", "closed-loop": "closed", "HTTP 5XX": "http_5xx", "reset": "reset", "migg": "", "": "",
	} {
		if got, ok := Find(name); got.Name != want || ok != (want != "") {
			t.Errorf("Find(%q) = %q, %v, want %q", name, got.Name, ok, want)
		}
	}
}

func TestNearIsWhatMayBeMeant(t *testing.T) {
	for name, want := range map[string]string{"tttf": "", "migg": "MIG", "saturatd": "saturated", "token": "TTFT", "fronteir": "frontier"} {
		if got := Near(name); want != "" && !slices.Contains(got, want) || want == "" && len(got) > 3 {
			t.Errorf("Near(%q) = %q, want %q", name, got, want)
		}
	}
	if got := Near(""); got != nil {
		t.Errorf("near nothing is %q", got)
	}
	if got := Near("qqqqqqqq"); got != nil {
		t.Errorf("near nonsense is %q", got)
	}
}
