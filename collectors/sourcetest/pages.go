package sourcetest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/collectors"
)

// Pages reads each testdata/*.txt as a server's page and holds what the source makes of
// it against the .golden file beside it, which update writes anew. A page is
// "recorded-…", made by running the server, or "transcribed-…", whose first
// line tells repository, version and file. Counts per class are logged.
func Pages(t *testing.T, source collectors.Source, update bool) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages in testdata: %v", err)
	}
	counts := map[string]int{"recorded": 0, "transcribed": 0}
	for _, file := range files {
		class, _, _ := strings.Cut(filepath.Base(file), "-")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := counts[class]; !ok || len(text) > 0 && !strings.HasPrefix(string(text), "# "+class+": ") {
			t.Errorf("%s does not say whether it is recorded or transcribed", file)
		}
		counts[class]++
		got := parsed(t, source, string(text))
		golden := strings.TrimSuffix(file, ".txt") + ".golden"
		if update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || string(want) != got {
			t.Errorf("%s (%v): got\n%s\nwant\n%s", golden, err, got, want)
		}
	}
	t.Logf("pages: %d recorded, %d transcribed", counts["recorded"], counts["transcribed"])
}

// parsed gives what a source makes of a page: a line per reading, sorted, then the
// error and the warnings.
func parsed(t *testing.T, source collectors.Source, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, text)
	}))
	defer server.Close()
	c := collector(t, source, server.URL)
	readings, err := c.Read(t.Context())
	var lines []string
	for _, r := range readings {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s [%s] %v %s", r.Series, r.Subject.Detail, r.Value, r.Unit)))
	}
	slices.Sort(lines)
	if err != nil {
		lines = append(lines, "error: "+err.Error())
	}
	if teller, ok := c.(collectors.Warned); ok {
		for _, w := range teller.Warnings() {
			lines = append(lines, fmt.Sprintf("warning: %s (%d): %s", w.Code, w.Count, w.Text))
		}
	}
	return strings.ReplaceAll(strings.Join(lines, "\n")+"\n", server.URL, "URL")
}

// Served gives a handler that serves a page's file at /metrics, and the text.
func Served(t *testing.T, file string) (http.Handler, string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(text)
	}), string(text)
}
