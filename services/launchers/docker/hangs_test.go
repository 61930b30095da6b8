package docker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/services"
)

// hanging is a docker command that does not answer what is named.
func hanging(t *testing.T, verb string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "docker")
	script := "#!/bin/sh\ncase $1 in " + verb + ") exec sleep 1000;; ps) echo one;; esac\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return program
}

// A daemon that hangs holds nothing up but for the bound, and is told.
func TestDaemonHangs(t *testing.T) {
	for verb, within := range map[string]time.Duration{"*": time.Millisecond, "inspect": time.Second} {
		l := build(t, config(hanging(t, verb))).(*launcher)
		if l.within != answerWithin {
			t.Errorf("the bound is %s, want %s", l.within, answerWithin)
		}
		l.within = within // within which ps answers; if not, the error is the same
		if ended, err := l.EndOrphans(t.Context()); !errors.Is(err, services.ErrNotLooked) || !strings.HasSuffix(err.Error(), "the daemon has not answered within "+within.String()) || len(ended) > 0 {
			t.Errorf("%s hangs: EndOrphans() = %q, %v", verb, ended, err)
		}
	}
	l := build(t, config(hanging(t, "*"))).(*launcher)
	l.within = time.Millisecond
	if err := l.Probe(t.Context()); !errors.Is(err, errUnanswered) {
		t.Errorf("Probe() = %v", err)
	}
	if _, err := l.Launch(t.Context(), services.Instance{Name: "eyes-0", LogDir: t.TempDir()}); !errors.Is(err, errUnanswered) {
		t.Errorf("Launch() = %v", err)
	}
}
