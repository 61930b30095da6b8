package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/queues"
)

// printTruths computes the loads that the queue systems sustain in the long run and
// prints them as lines of internal/queues' table.
func printTruths(w io.Writer, names string, e queues.Effort) error {
	for _, s := range queues.All() {
		if names != "" && !strings.Contains(","+names+",", ","+s.Name+",") {
			continue
		}
		began := time.Now()
		t, ok := s.Solve(e)
		if !ok {
			fmt.Fprintf(w, "\t// %s: none\n", s.Name)
			continue
		}
		if _, err := fmt.Fprintf(w, "\t\t%q: {State: %q, Load: %.6g, Error: %.2g, Binding: %q}, // %.0f s\n", s.Name, t.State, t.Load, t.Error, t.Binding, time.Since(began).Seconds()); err != nil {
			return err
		}
	}
	return nil
}
