package roofline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// childArg makes the test binary the server of another process.
const childArg = "selftest-server"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childArg {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leaks.Main(m)
}

// command starts the test binary as a server.
func command(t *testing.T) []string {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // a child would end a second later
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{exe, childArg}
}

// TestMeasure: every phase asks and counts; speed is nobody's business here. A machine
// that stands still for a phase counts nothing in it, and gets one twice as long: the
// test's time limit ends it if never.
func TestMeasure(t *testing.T) {
	for length := 60 * time.Millisecond; ; length *= 2 {
		if s := measured(t, length); t.Failed() || s.Images.Requests > 0 && s.Small.Requests > 0 && s.Streams.Tokens >= 10 {
			return
		}
	}
}

// measured measures with windows of a length, and checks all but that something was
// counted in them.
func measured(t *testing.T, length time.Duration) results.SelfTest {
	t.Helper()
	var told []string
	s, err := Measure(t.Context(), Options{
		Command: command(t), Quick: true, Length: length, Streams: 10, Rates: []float64{200, 1_000},
		Tell: func(phase string) { told = append(told, phase) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(told) != fmt.Sprint(Phases()) {
		t.Errorf("told of %v", told)
	}
	for _, p := range []*results.Throughput{s.Images, s.Small} {
		if p == nil || p.Failed != 0 || (p.PerSecond > 0) != (p.Requests > 0) || (p.CPUPerRequest > 0) != (p.Requests > 0) {
			t.Fatalf("a closed loop gave %+v", p)
		}
	}
	if len(s.Rates) != 2 {
		t.Fatalf("2 rates gave %+v", s.Rates)
	}
	for _, r := range s.Rates {
		// Before its due time no request is sent; stamps of two clocks' readings of
		// one clock may differ by a little.
		if n := int64(r.Rate * length.Seconds()); r.N != n || r.Failed != 0 || r.Lost != 0 || r.P50 < -time.Millisecond || r.P50 > r.P99 || r.P99 > r.Max {
			t.Errorf("%v/s gave %+v, want %d arrivals", r.Rate, r, n)
		}
	}
	if p := s.Streams; p == nil || p.Lost != 0 || p.Failed != 0 || p.ErrorP50 > p.ErrorP99 || p.ErrorP99 > p.ErrorMax || p.PeakBytes <= 0 {
		t.Fatalf("streams gave %+v", p)
	}
	for _, w := range s.Warnings {
		if w.Code == "selftest-failed" {
			t.Errorf("a warning: %+v", w)
		}
	}
	if s.BinarySHA256 == "" || s.Measured.IsZero() {
		t.Errorf("it does not tell what it holds for: %+v", s)
	}
	return s
}

// TestMeasureEnds: a context that ends ends the measurement and its server.
// A stream that is longer than a request usually may be is not cut off.
func TestStreamStep(t *testing.T) {
	for _, window := range []time.Duration{time.Second, time.Minute, time.Hour} {
		step, length := streamStep(10, window)
		lasts := time.Duration(length) * tokenGap
		if lasts < step.Plan.Warmup+window || step.Loads[0].Timeout <= lasts {
			t.Errorf("a window of %v: streams last %v and may take %v", window, lasts, step.Loads[0].Timeout)
		}
	}
}

func TestMeasureEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Measure(ctx, Options{Command: command(t), Length: time.Hour, Tell: func(string) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

func TestServeRefuses(t *testing.T) {
	for _, in := range []string{"", "x\n", `{"Tokens":-1}` + "\n"} {
		var out strings.Builder
		if err := Serve(strings.NewReader(in), &out); err == nil || out.Len() > 0 {
			t.Errorf("%q is served: %q", in, out.String())
		}
	}
}

func TestCheck(t *testing.T) {
	negative := -1
	for _, o := range []Options{
		{Only: []string{"x"}}, {Streams: -1}, {Streams: 50_001}, {Rates: []float64{0.5}}, {Length: -1}, {ServerCPU: &negative},
	} {
		if o.Check() == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	if err := (&Options{Only: Phases(), Streams: 50_000, Rates: []float64{1}, Length: time.Hour}).Check(); err != nil {
		t.Error(err)
	}
}

// TestLateness: due times and arrivals made so that the lateness of each is known
// come back as that, in whatever order they stand.
func TestLateness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Less late than the next is due, so that order is kept.
		late := rapid.SliceOfN(rapid.Int64Range(0, 999), 3, 200).Draw(t, "late")
		warm := rapid.IntRange(0, len(late)-2).Draw(t, "warm")
		var due []int64
		var seen []stub.Arrival
		for i, l := range late {
			due = append(due, int64(i)*1_000)
			seen = append(seen, stub.Arrival{First: int64(i)*1_000 + l})
		}
		r := Lateness(rapid.Permutation(due).Draw(t, "due"), rapid.Permutation(seen).Draw(t, "seen"), int64(warm)*1_000)
		most, below := int64(0), 0
		for _, l := range late[warm:] {
			most = max(most, l)
			if l <= int64(r.P50) {
				below++
			}
		}
		n := len(late) - warm
		span := float64((n-1)*1_000) + float64(late[len(late)-1]-late[warm])
		achieved := float64(n-1) / span * 1e9
		if r.N != int64(n) || r.Lost != 0 || int64(r.Max) != most || 2*below < n || r.Achieved < achieved*0.999999 || r.Achieved > achieved*1.000001 {
			t.Fatalf("got %+v, want n %d, max %d, achieved %v, at least half of all within p50", r, n, most, achieved)
		}
	})
	if r := Lateness([]int64{1, 2}, []stub.Arrival{{First: 1}}, 0); r.Lost != 1 || r.N != 0 {
		t.Errorf("one of two lost: %+v", r)
	}
}

func TestForRunKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	o := Options{Command: command(t), Quick: true, Length: 20 * time.Millisecond, Streams: 2, Rates: []float64{100}}
	first, err := forRun(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Command = []string{"/nonexistent"} // a second measurement would fail
	second, err := forRun(t.Context(), dir, o)
	if err != nil || second.Measured != first.Measured {
		t.Errorf("the second time gave %v, %v; want what was measured at %v", second.Measured, err, first.Measured)
	}
	o.Command = command(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	third, err := forRun(t.Context(), file, o) // a folder that cannot be
	if err != nil || len(third.Warnings) == 0 || third.Warnings[len(third.Warnings)-1].Code != "selftest-not-kept" {
		t.Errorf("a cache that cannot be written: %+v, %v", third.Warnings, err)
	}
}

// TestCachedIsBelieved only for the same program, machine, boot and day.
func TestCachedIsBelieved(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	id := identity{"b", "c", "o"}
	good := results.SelfTest{
		Measured: now.Add(-validFor + 1), BinarySHA256: "b", CPUModel: "c", Boot: "o",
		Images: &results.Throughput{}, Small: &results.Throughput{}, Streams: &results.StreamRoof{},
	}
	for _, c := range []struct {
		name   string
		change func(*results.SelfTest)
		want   bool
	}{
		{"as it is", func(*results.SelfTest) {}, true},
		{"a day old", func(s *results.SelfTest) { s.Measured = now.Add(-validFor) }, false},
		{"just now", func(s *results.SelfTest) { s.Measured = now }, true},
		{"from the future", func(s *results.SelfTest) { s.Measured = now.Add(1) }, false},
		{"another binary", func(s *results.SelfTest) { s.BinarySHA256 = "x" }, false},
		{"another processor", func(s *results.SelfTest) { s.CPUModel = "x" }, false},
		{"another boot", func(s *results.SelfTest) { s.Boot = "x" }, false},
		{"not whole", func(s *results.SelfTest) { s.Streams = nil }, false},
	} {
		s := good
		c.change(&s)
		file := filepath.Join(t.TempDir(), "s.json")
		if err := keep(file, s); err != nil {
			t.Fatal(err)
		}
		if _, got := cached(file, id, now); got != c.want {
			t.Errorf("%s: believed %v, want %v", c.name, got, c.want)
		}
	}
	file := filepath.Join(t.TempDir(), "s.json")
	text, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, got := cached(file, id, now); got {
		t.Error("half a file is believed")
	}
	if _, got := cached(file+"x", id, now); got {
		t.Error("no file is believed")
	}
}
