package nvidia

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseTimeSlice(t *testing.T) {
	for _, tt := range []struct{ listing, want string }{
		{"+------+\n| GPU compute policies: |\n| GPU 0  Timeslice  Default |\n", "default"},
		{"GPU 00000000:01:00.0\n    Timeslice : SHORT\n", "short"},
		{"timeslice=MEDIUM", "medium"},
		{"Timeslice: Long Long", "long"},
		{"Timeslice: Default, Short", ""},        // which?
		{"Compute mode: Default", ""},            // of something else
		{"Timeslice: N/A", ""},                   // none
		{"", ""},                                 // nothing
		{"Timeslice: Longish defaultShort", ""},  // other words
		{"No timeslice is supported on GPU", ""}, // words only
	} {
		if got := parseTimeSlice(tt.listing); got != tt.want {
			t.Errorf("parseTimeSlice(%q) = %q, want %q", tt.listing, got, tt.want)
		}
	}
}

// script makes a nvidia-smi that keeps the time slice in a file.
func script(t *testing.T) SMI {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`#!/bin/sh
test "$1 $2 $3" = "compute-policy -i GPU-1" || { echo "what? $*"; exit 2; }
case "$4" in
-l) echo "| GPU 0 | Timeslice | $(cat %[1]s/slice) |" ;;
--set-timeslice=[0-3]) set -- $(echo Default Short Medium Long | cut -d' ' -f$((${4#*=} + 1))); echo "$1" > %[1]s/slice ;;
*) exit 3 ;;
esac
`, dir)
	for name, content := range map[string]string{"nvidia-smi": text, "slice": "Default\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return SMI{Path: filepath.Join(dir, "nvidia-smi")}
}

func TestSMI(t *testing.T) {
	s := script(t)
	for _, want := range []string{"default", "long", "short", "medium", "default"} {
		if err := s.SetTimeSlice(t.Context(), "GPU-1", want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.TimeSlice(t.Context(), "GPU-1"); got != want || err != nil {
			t.Errorf("set to %s, it reads %q, %v", want, got, err)
		}
	}
	if err := s.SetTimeSlice(t.Context(), "GPU-2", "short"); err == nil || !strings.Contains(err.Error(), "what?") {
		t.Errorf("nvidia-smi refused and said why, SetTimeSlice gave %v", err)
	}
	if got, err := s.TimeSlice(t.Context(), "GPU-2"); got != "" || err != nil {
		t.Errorf("a GPU whose time slice nvidia-smi does not tell has %q, %v; want unknown", got, err)
	}
	if err := s.SetTimeSlice(t.Context(), "GPU-1", "huge"); err == nil {
		t.Error("time slice huge was set")
	}
}

// TestSMIAndSignals: an interrupt at the terminal is for evabench alone, and a program
// that a signal ended has not said that it knows no time slices.
func TestSMIAndSignals(t *testing.T) {
	for _, c := range []struct {
		lines, want string
		fault       bool
	}{
		{"read -r _ _ _ _ group _ < /proc/$$/stat; test $group = $$ && echo Timeslice Short || echo Timeslice Long", "short", false},
		{"kill -INT $$", "", true},
		{"exit 1", "", false},
	} {
		path := filepath.Join(t.TempDir(), "nvidia-smi")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+c.lines+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if got, err := (SMI{Path: path}).TimeSlice(t.Context(), "GPU-1"); got != c.want || (err != nil) != c.fault {
			t.Errorf("%s: %q, %v; want %q, fault %v", c.lines, got, err, c.want, c.fault)
		}
	}
}

// TestNoSMI: without the program time slices are unknown, and setting one is refused.
func TestNoSMI(t *testing.T) {
	s := SMI{Path: filepath.Join(t.TempDir(), "nvidia-smi")}
	if got, err := s.TimeSlice(t.Context(), "GPU-1"); got != "" || err != nil {
		t.Errorf("TimeSlice() = %q, %v, want unknown", got, err)
	}
	if err := s.SetTimeSlice(t.Context(), "GPU-1", "short"); err == nil || !strings.Contains(err.Error(), "nvidia-smi was not found") {
		t.Errorf("SetTimeSlice() = %v", err)
	}
	r := newRig(t, pro6000)
	b := r.over(Options{TimeSlices: s})
	state, err := b.Inspect(t.Context(), []string{"0"})
	if err != nil || state.GPUs[0].TimeSlice != "" {
		t.Fatalf("time slice %q, %v", state.GPUs[0].TimeSlice, err)
	}
	if _, err := planOf(state, "off(ts:short)"); err == nil {
		t.Error("a time slice that could not be put back was planned")
	}
	if _, err := b.Apply(t.Context(), plan(t, state, "1g.24gb")); err != nil {
		t.Errorf("a layout without time slices: %v", err)
	}
}
