package arrivals

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadTrace(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []float64
	}{
		{"numbers", "# made by hand\n0.5\n\n1\n1\n2e1\n", []float64{0.5, 1, 1, 20}},
		{"one", "0", []float64{0}},
		{"JSON lines", `{"timestamp": 3, "input_length": 5}` + "\r\n" + `{"Timestamp": "4.5"}`, []float64{3, 4.5}},
		{"CSV", "Timestamp,Model\n5,\"a,b\"\n45,c\n", []float64{5, 45}},
		{"CSV, another column", "a, TIMESTAMP \n5,1\n6,2\n", []float64{1, 2}},
		{"a column alone", "timestamp\n1\n", []float64{1}},
		{"dates", "TIMESTAMP,ContextTokens\n2023-11-16 18:15:46.6805900,374\n2023-11-16 18:15:50.9305900,9\n", []float64{0, 4.25}},
		{"dates with a zone", "2024-05-10 00:00:00.5+00:00\n2024-05-10 02:00:01+02:00\n", []float64{0, 0.5}},
		{"RFC 3339", `{"timestamp":"2024-05-10T00:00:00Z"}` + "\n" + `{"timestamp":"2024-05-10T00:01:00Z"}`, []float64{0, 60}},
	} {
		got, err := ReadTrace(strings.NewReader(c.text))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func TestReadTraceFaults(t *testing.T) {
	for _, c := range []struct {
		text string
		line int // 0: of no line
		want string
	}{
		{"", 0, "no moment"},
		{"timestamp\n", 0, "no moment"},
		{"1\n2\n1.5\n", 3, "before the moment before"},
		{"-1", 1, "not within"},
		{"1\nNaN", 2, "not within"},
		{"1700000000", 1, "not within"},
		{"hello", 1, "names no column timestamp"},
		{"1\n\nhello", 3, "neither a number"},
		{"time,size\n1,2", 1, "names no column timestamp"},
		{"size,timestamp\n1,2\n3", 3, "has no column 2"},
		{"timestamp\n\"1", 2, "no row of CSV"},
		{`{"timestamp": 1}` + "\n" + `{"time": 1}`, 2, "no timestamp"},
		{`{"timestamp": ""}`, 1, "neither a number"},
		{`{"timestamp": 1`, 1, "no JSON object"},
		{"1\n2024-05-10T00:00:00Z", 2, "date among numbers"},
		{"1\n" + strings.Repeat("2", maxTraceLine+1), 2, "too long"},
	} {
		_, err := ReadTrace(strings.NewReader(c.text))
		e, ok := errors.AsType[*TraceError](err)
		if err == nil || !strings.Contains(err.Error(), c.want) || ok != (c.line > 0) || ok && e.Line != c.line {
			t.Errorf("%.40q: %v, want …%s… at line %d", c.text, err, c.want, c.line)
		}
	}
}

func TestTracePlays(t *testing.T) {
	file := traceFile(t, 10) // at 0, 0.125 and 0.125 of every second
	a := mustNew(t, Config{Kind: "trace", Value: 2, File: file, Warmup: time.Second, Window: 2 * time.Second})
	ms := time.Millisecond
	got := take(t, a, 1, time.Hour)
	if len(got) != 30 || !slices.Equal(got[:4], []time.Duration{0, 62500 * time.Microsecond, 62500 * time.Microsecond, 500 * ms}) {
		t.Errorf("%d arrivals: %v", len(got), got)
	}
	// Twice as fast, the seconds 2 to 5 of the trace lie within the window of 2 s.
	if a.Rate() != 12.0/2 {
		t.Errorf("rate %v over the window, want 6", a.Rate())
	}
	next := a.Times(1)
	for range 30 {
		if _, ok := next(); !ok {
			t.Fatal("the trace ends early")
		}
	}
	for range 2 {
		if at, ok := next(); ok {
			t.Errorf("an arrival at %v after the trace's end", at)
		}
	}
	// Over the whole, to its last moment at 9.125 s: 30 in 4.5625 s.
	if got, want := mustNew(t, Config{Kind: "trace", Value: 2, File: file}).Rate(), 30/4.5625; got != want {
		t.Errorf("rate %v over the whole, want %v", got, want)
	}
}

func FuzzReadTrace(f *testing.F) {
	for _, text := range []string{"1\n2\n", "timestamp,x\n1,2\n", `{"timestamp":1}`, "2024-05-10 00:00:00\n", "#\n\n-0", "1e999"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		times, err := ReadTrace(strings.NewReader(text))
		if err != nil {
			return
		}
		if len(times) == 0 || !slices.IsSorted(times) || times[0] < 0 || times[len(times)-1] > 1e12 {
			t.Fatalf("%q gave %v", text, times)
		}
	})
}
