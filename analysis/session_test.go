package analysis

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
)

// Whatever numbers sessions have, and in whatever order they come, the table has each
// once, as a map has, and is not much longer than there are sessions.
func TestSessionTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.Int64Range(0, 50), rapid.Int64Range(0, 20_000), rapid.Int64())
		numbers := rapid.SliceOf(number).Draw(t, "numbers")
		var table sessionTable
		want := map[int64]int{}
		for _, n := range numbers {
			want[n]++
			s := table.at(n)
			if s.start == results.NoOffset {
				s.start = results.Offset(n)
			}
			if s.start != results.Offset(n) && n != int64(results.NoOffset) {
				t.Fatalf("session %d is that of %d", n, s.start)
			}
			s.end = max(s.end, 0) + 1
		}
		seen := 0
		for s := range table.all() {
			seen++
			if int(s.end) != want[int64(s.start)] {
				t.Fatalf("session %d was taken %d times, want %d", s.start, s.end, want[int64(s.start)])
			}
		}
		if seen != len(want) || len(table.list) > 4*len(want)+1001 {
			t.Fatalf("%d sessions in a list of %d, want %d", seen, len(table.list), len(want))
		}
	})
}
