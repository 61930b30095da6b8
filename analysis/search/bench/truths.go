package main

import (
	"fmt"
	"io"
	"time"

	"github.com/evabench/evabench/internal/queues"
)

// printTruths computes the loads that the systems sustain in the long run and prints
// them as lines of internal/queues' table.
func printTruths(w io.Writer, systems []*queues.System, e queues.Effort) {
	for _, s := range systems {
		began := time.Now()
		t, ok := s.Solve(e)
		if !ok {
			fmt.Fprintf(w, "\t// %s: none\n", s.Name)
			continue
		}
		fmt.Fprintf(w, "\t%q: {State: %q, Load: %.6g, Error: %.2g, Binding: %q}, // %.0f s\n", s.Name, t.State, t.Load, t.Error, t.Binding, time.Since(began).Seconds())
	}
}
