package docker

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/services"
)

// A log that cannot be written is told with the container's end, and after Stop, also
// when another container was made in its place.
func TestLogGaps(t *testing.T) {
	_, program := newFake(t)
	c := config(program)
	c.Log.MaxBytes = 1 // a file for each line
	s := launch(t, c, services.Instance{})
	text(t, s.Info().URL)
	file, _ := s.(services.Logged).LogTail()
	if err := os.RemoveAll(filepath.Dir(file)); err != nil {
		t.Fatal(err)
	}
	if a, err := http.Get(s.Info().URL + "/die"); err == nil {
		a.Body.Close()
	}
	const why = "open log: "
	if x := exited(t, s); !strings.Contains(x.LogFault, why) {
		t.Errorf("Err() = %+v, want it to tell %q", x, why)
	}
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.(services.Mortal).Revive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.(services.Gapped).LogFault(); !strings.Contains(got, why) {
		t.Errorf("LogFault() = %q, want %q", got, why)
	}
}
