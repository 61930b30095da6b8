package results

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// manySamples makes more samples than a page of any column holds, so that pages end in
// different places, with nulls in stretches and alone.
func manySamples(n int) []Sample {
	r := rand.New(rand.NewPCG(1, 2))
	maybe := func(v, none int64) int64 {
		if r.IntN(3) == 0 {
			return none
		}
		return v
	}
	var list []Sample
	for i := range int64(n) {
		due := Offset(i * 1e6)
		s := Sample{
			Service: []string{"agent", "vision"}[2*i/int64(n)], Class: string(rune('a' + r.IntN(5))), Model: "m", Endpoint: []string{"", "e-0", "e-1"}[r.IntN(3)],
			Seq: i, Session: i / 3, User: maybe(i%7, -1), Call: int(i % 3), Last: r.IntN(2) == 0, Attempt: r.IntN(2),
			Due: due, Sent: Offset(maybe(int64(due)+r.Int64N(1e9), int64(NoOffset))), First: NoOffset, Final: NoOffset, Done: due.Add(time.Duration(r.Int64())),
			Lag: time.Duration(r.Int64N(1e6)), Outcome: Outcome(1 + r.IntN(int(NotSent))), Status: int(maybe(200, 0)),
			BytesSent: r.Int64N(1e6), BytesRead: r.Int64N(1e6), Chunks: r.Int64N(5),
			PromptTokens: maybe(r.Int64N(1000), UnknownTokens), OutputTokens: UnknownTokens, CachedTokens: maybe(3, UnknownTokens),
			ServerQueue: time.Duration(maybe(7, int64(Untold))), ServerWork: Untold, ServerRefused: r.IntN(9) == 0,
		}
		if s.Chunks > 1 {
			s.LongestGap = time.Duration(r.Int64N(1e9))
		}
		if i > int64(n)/2 { // a column that is empty in its first half
			s.First, s.Final, s.OutputTokens = due, due+1, i
		}
		list = append(list, s)
	}
	return list
}

// Columns are read page by page, and samples put together in batches: whatever ends
// where, they are what was written.
func TestSamplesOverPages(t *testing.T) {
	const n = 70_001
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, Environment{Planned: []string{"000-a-r1"}}, []byte("name: s\n"))
	must(t, err)
	c, err := w.Cell("000-a-r1")
	must(t, err)
	want := manySamples(n)
	step := Step{Services: []Integrity{{Service: "agent"}, {Service: "vision"}}}
	step.WindowStart, step.WindowEnd = -2, -1 // its histogram is not what this is of
	must(t, c.Step(step, slices.Clone(want)))
	must(t, c.Close(Cell{Status: CellDone}))
	run, err := Read(dir)
	must(t, err)
	i := 0
	for got, err := range run.Cells[0].Steps[0].Samples() {
		must(t, err)
		if got != want[i] {
			t.Fatalf("sample %d:\n%+v, want\n%+v", i, got, want[i])
		}
		i++
	}
	if i != n {
		t.Errorf("%d samples, want %d", i, n)
	}
	for range run.Cells[0].Steps[0].Samples() { // whoever has enough may leave
		break
	}
}

func BenchmarkSamples(b *testing.B) {
	const n = 20_000
	dir := filepath.Join(b.TempDir(), "run")
	w, err := Create(dir, Environment{}, []byte("name: s\n"))
	must(b, err)
	c, err := w.Cell("000-a-r1")
	must(b, err)
	must(b, c.Step(Step{Services: []Integrity{{Service: "agent"}, {Service: "vision"}}, WindowStart: -2, WindowEnd: -1}, manySamples(n)))
	must(b, c.Close(Cell{Status: CellDone}))
	run, err := Read(dir)
	must(b, err)
	for b.Loop() {
		got := 0
		for _, err := range run.Cells[0].Steps[0].Samples() {
			if err != nil {
				b.Fatal(err)
			}
			got++
		}
		if got != n {
			b.Fatalf("%d samples", got)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sample")
}
