package process

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/evabench/evabench/services"
)

// TestLogGaps: a log that cannot be written is told with the end, and after Stop, also
// when the program was started again meanwhile.
func TestLogGaps(t *testing.T) {
	c := config(t)
	c.Log.MaxBytes = 1 // a file for each line
	dir := t.TempDir()
	s := launch(t, build(t, c), services.Instance{Name: "a", LogDir: dir})
	text(t, s.Info().URL)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if a, err := http.Get(s.Info().URL + "/die"); err == nil {
		a.Body.Close()
	}
	<-s.(*service).process.Gone()
	const why = "open log: "
	if exit, ok := errors.AsType[*services.ExitError](s.Err()); !ok || !strings.Contains(exit.LogFault, why) {
		t.Errorf("Err() = %+v, want it to tell %q", s.Err(), why)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
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
