package mpsfake_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
)

// TestSays: it says that it is simulated, in its help, version and log.
func TestSays(t *testing.T) {
	pipe := daemon(t)
	texts := map[string]string{"log": logOf(t, pipe)}
	for _, option := range []string{"-h", "-v"} {
		out, err := exec.CommandContext(t.Context(), program, option).Output()
		if err != nil {
			t.Error(err)
		}
		texts[option] = string(out)
	}
	for name, text := range texts {
		if !strings.Contains(text, "SIMULATED") {
			t.Errorf("%s: %q does not say it", name, text)
		}
	}
	pid, err := os.ReadFile(filepath.Join(pipe, mps.Name+".pid"))
	found, findErr := mps.Control{Path: program}.Find(t.Context())
	if err != nil || findErr != nil || len(found) != 1 || strings.TrimSpace(string(pid)) != fmt.Sprint(found[0].PID) {
		t.Errorf("pid file %q, %v; found %v, %v", pid, err, found, findErr)
	}
}

// TestRefusedRuns: folders must be there, and options known.
func TestRefusedRuns(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	for _, env := range [][]string{
		{mps.PipeVariable + "=" + gone, mps.LogVariable + "=" + t.TempDir()},
		{mps.PipeVariable + "=" + t.TempDir(), mps.LogVariable + "=" + gone},
		{mps.PipeVariable + "=" + program, mps.LogVariable + "=" + t.TempDir()},
	} {
		if err := (mps.Control{Path: program}).Start(t.Context(), env, me); err == nil {
			t.Errorf("%v: started", env)
			end(t, strings.TrimPrefix(env[0], mps.PipeVariable+"="))
		}
	}
	if err := exec.CommandContext(t.Context(), program, "-x").Run(); err == nil {
		t.Error("-x was taken")
	}
	if _, err := mpsfake.Install(t.TempDir(), "/bin/true"); err == nil {
		t.Error("a program that is none was installed")
	}
}

// What Install tries is not told what may be a key.
func TestInstallTellsNoKey(t *testing.T) {
	t.Setenv("AGENT_KEY", "sk-sesame")
	dir := t.TempDir()
	exe := filepath.Join(dir, "program")
	script := "#!/bin/sh\nenv >" + dir + "/environment\necho 'SIMULATED (evabench): no GPU and no CUDA behind it'\n"
	if err := os.WriteFile(exe, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := mpsfake.Install(dir, exe); err != nil {
		t.Fatal(err)
	}
	if told, err := os.ReadFile(filepath.Join(dir, "environment")); err != nil || !strings.Contains(string(told), "PATH=") || strings.Contains(string(told), "sk-sesame") {
		t.Errorf("it was told %q, %v", told, err)
	}
}
