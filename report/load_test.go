package report

import (
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// Each instance that was read is a row, and with several the service as well; why one is
// unknown stands in it. Where no HTTP part was read there is no table.
func TestHTTPLoads(t *testing.T) {
	figure := func(n float64) analysis.Figure {
		return analysis.Figure{Value: analysis.Value{Number: &n, Unit: "1"}, Level: analysis.FromLoad, From: "vllm-load vllm:server_load"}
	}
	none := analysis.Figure{Value: analysis.Value{Unit: "1", Why: "status 404"}, Level: analysis.NoEvidence}
	told := &analysis.HTTPLoad{Mean: figure(7), Max: figure(9), Frontend: figure(3), Readings: 60}
	silent := &analysis.HTTPLoad{Mean: none, Max: none, Frontend: none}
	for _, tt := range []struct {
		name    string
		waiting []analysis.Waiting
		want    []string // instance, level and why or from of each row
	}{
		{"not read", []analysis.Waiting{{}, {Instance: "agent-0"}}, nil},
		{"one", []analysis.Waiting{{HTTP: told}, {Instance: "agent-0", HTTP: told}}, []string{"agent-0|D|vllm-load vllm:server_load"}},
		{"two", []analysis.Waiting{{HTTP: silent}, {Instance: "agent-0", HTTP: told}, {Instance: "agent-1", HTTP: silent}},
			[]string{"(all)|-|status 404", "agent-0|D|vllm-load vllm:server_load", "agent-1|-|status 404"}},
	} {
		tables := httpLoads([]place{{service: analysis.Service{Waiting: tt.waiting}}})
		var got []string
		for _, table := range tables {
			column := func(title string) int {
				for i, c := range table.Columns {
					if c.Name == title {
						return i
					}
				}
				t.Fatalf("no column %q", title)
				return 0
			}
			for _, row := range table.Rows {
				if len(row) != len(table.Columns) {
					t.Fatalf("%s: %d cells in %d columns", tt.name, len(row), len(table.Columns))
				}
				got = append(got, row[column("Instance")].Text+"|"+row[column("Rests on")].Text+"|"+row[column("From, or why it is unknown")].Text)
			}
		}
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") || (len(tables) > 0) != (tt.want != nil) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
