package main

import (
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// TestPrintSelftest: what was measured stands in the table, and what was not does
// not, so that nothing unknown reads as zero.
func TestPrintSelftest(t *testing.T) {
	cpu := 1
	full := results.SelfTest{
		CPUModel: "A CPU", ClientCPUs: []int{0}, ServerCPU: &cpu,
		Images:   &results.Throughput{BodyBytes: 102_400, PerSecond: 43_210.4, BytesPerSecond: 4_424e6, CPUPerRequest: 22_900},
		Rates:    []results.RateLateness{{Rate: 10_000, Achieved: 9_999.96, P50: 2_950, P99: 28 * time.Microsecond, Max: 1_234_567}},
		Streams:  &results.StreamRoof{Streams: 5_000, PerSecond: 99_000, Cores: 0.6, PerSecondAt85: 140_250, ErrorP99: 7_000, Tokens: 123, Lost: 1},
		Warnings: []results.Warning{{Text: "something shook"}},
	}
	for _, c := range []struct {
		name       string
		in         results.SelfTest
		want, lack []string
	}{
		{"full", full,
			[]string{"A CPU", "CPU [0], server on CPU 1", "102400 B, 64 connections  43210", "4424", "22.9µs", "10000/s", "10000.0", "3µs", "28µs", "1.23ms", "0.60", "140250", "Warning: something shook"},
			[]string{"16 B"}},
		{"nothing", results.SelfTest{ClientCPUs: []int{0}}, []string{"server with the client"}, []string{"CLOSED", "OPEN", "STREAMS", "Warning"}},
	} {
		var out strings.Builder
		if err := printSelftest(&out, c.in); err != nil {
			t.Fatal(err)
		}
		for _, text := range c.want {
			if !strings.Contains(out.String(), text) {
				t.Errorf("%s: %q is not in\n%s", c.name, text, out.String())
			}
		}
		for _, text := range c.lack {
			if strings.Contains(out.String(), text) {
				t.Errorf("%s: %q is in\n%s", c.name, text, out.String())
			}
		}
	}
}
