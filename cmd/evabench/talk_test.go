package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"

	"github.com/evabench/evabench/internal/doctor"
	"github.com/evabench/evabench/internal/propose"
	"github.com/evabench/evabench/partition"
)

// Words of servers and names of others' processes steer no terminal, and a name makes no
// line of its own.
func TestPlain(t *testing.T) {
	const name = "x\x1b]0;owned\a\u009b2J\u202e\nok  all is well"
	gpu := partition.GPU{
		UUID: "GPU-1", Processes: []partition.Process{{PID: 7, Name: name, Device: "GPU-1"}},
		Holders: []partition.Holder{{Name: name}, {PID: 8, Name: name}},
	}
	for _, c := range []struct {
		what  string
		lines int // that it has by itself
		print func(io.Writer)
	}{
		{"an error", 2, func(w io.Writer) { status(errors.New(name), w) }}, // joined errors have lines
		{"init", 1, func(w io.Writer) {
			(&questions{to: w}).found(propose.Facts{Servers: []propose.Server{{Kind: "vllm", Models: []string{name}}}})
		}},
		{"gpu inspect", 4, func(w io.Writer) { printUsers(w, gpu, []partition.Daemon{{Device: "GPU-1", Pipe: name}}) }},
		{"doctor", 2, func(w io.Writer) { _ = printFindings(w, "", []doctor.Finding{{Text: "runs process 7 (" + name + ")"}}) }},
	} {
		var out strings.Builder
		c.print(&out)
		got := out.String()
		if !strings.Contains(got, "x\ufffd]0;owned") || strings.Count(got, "\n") != c.lines ||
			strings.ContainsFunc(got, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("%s: %q, want %d printable lines with the name", c.what, got, c.lines)
		}
	}
	if got, want := plain("a µ é 1\u202f000\tb\n"), "a µ é 1\u202f000\tb\n"; got != want {
		t.Errorf("%q, want %q as it was", got, want)
	}
}
