package vllm

import (
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
)

// processorTime is what this process has used of processors so far.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// inUse is the heap in use after a collection.
func inUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// engines gives collectors of n engines with the newest page, each over a connection of
// its own.
func engines(t testing.TB, n int) (all []collectors.Collector) {
	t.Helper()
	text, err := os.ReadFile("testdata/transcribed-v029.txt")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) }))
	t.Cleanup(server.Close)
	for range n {
		c, err := source{}.Collector(collectors.Target{URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.(*page.Collector).Close() })
		all = append(all, c)
	}
	return all
}

// BenchmarkEngines reads the newest page of 56 engines, once an iteration: as at 1 Hz, an
// iteration's processor time is the share of one core. The server, which is in the same process,
// is in it. heap-B/read is what a read leaves behind; -benchtime 600x is ten minutes.
func BenchmarkEngines(b *testing.B) {
	all := engines(b, 56)
	readAll(b, all) // connects
	before, began := inUse(), processorTime(b)
	for b.Loop() {
		readAll(b, all)
	}
	used := processorTime(b) - began
	b.ReportMetric((inUse()-before)/float64(b.N)/56, "heap-B/read")
	b.ReportMetric(before/(1<<20), "heap-MiB")
	b.ReportMetric(100*used.Seconds()/float64(b.N), "%core@1Hz")
	b.ReportMetric(float64(used.Microseconds())/float64(b.N)/56, "cpu-µs/read")
}

func readAll(t testing.TB, all []collectors.Collector) {
	t.Helper()
	for _, c := range all {
		if _, err := c.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// Reads of 56 engines leave nothing behind. Both heaps and the cost are logged.
func TestFlatMemory(t *testing.T) {
	const rounds = 15
	all := engines(t, 56)
	readAll(t, all)
	first, began := inUse(), processorTime(t)
	for range rounds {
		readAll(t, all)
	}
	used := processorTime(t) - began
	last := inUse()
	t.Logf("56 engines at 1 Hz: %.1f %% of one core, the server in it; heap %.2f MiB, %d reads of each later %.2f MiB",
		100*used.Seconds()/rounds, first/(1<<20), rounds, last/(1<<20))
	if growth := (last - first) / (rounds * 56); growth > 200 { // a page is 76,000
		t.Errorf("each read leaves %.0f bytes", growth)
	}
}
