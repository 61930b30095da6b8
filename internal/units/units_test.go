package units

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		value float64
		unit  string
		want  string
	}{
		{47.2, "s", "47.20 s"},
		{0.9999, "s", "999.9 ms"}, // just below the next prefix
		{1, "s", "1.000 s"},
		{0.0123, "s", "12.30 ms"},
		{0.00001234, "s", "12.34 µs"},
		{3e-9, "s", "3.000 ns"},
		{0, "s", "0 s"},
		{-0.5, "s", "-500.0 ms"},
		{24 << 30, "B", "24 GiB"},
		{1023, "B", "1,023 B"},
		{1024, "B", "1 KiB"},
		{0.5, "ratio", "50.00 %"},
		{0.00123, "ratio", "0.1230 %"},
		{2287, "1", "2,287"},
		{29.36, "req/s", "29.36 req/s"},
		{10, "req/s", "10.00 req/s"},
		{0, "ratio", "0 %"},
		{9.9999, "1", "10.00"},
		{999.96, "1", "1,000"},
		{12345.6, "1", "12,346"},
		{0.00001, "1", "1.000e-05"},
		{math.Copysign(0, -1), "1", "0"},
		{math.NaN(), "s", Unknown},
		{math.Inf(1), "1", Unknown},
	} {
		if got := Format(c.value, c.unit); got != c.want {
			t.Errorf("Format(%v, %q) = %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}

func TestFormatOrMissingIsUnknown(t *testing.T) {
	if got := FormatOr(nil, "s"); got != Unknown {
		t.Errorf("FormatOr(nil) = %q, want %q", got, Unknown)
	}
	zero := 0.0
	if got := FormatOr(&zero, "1"); got != "0" {
		t.Errorf("FormatOr(0) = %q, want 0", got)
	}
}

func TestChange(t *testing.T) {
	for _, c := range []struct {
		ratio float64
		want  string
	}{
		{1032.0/712 - 1, "+44.9 %"}, // the published change of VLM responses
		{32.10/47.20 - 1, "-32.0 %"},
		{0.0004, "0.0 %"}, {-0.0004, "0.0 %"}, {0.0006, "+0.1 %"},
		{-0.00051, "-0.1 %"}, {0.0125, "+1.3 %"}, {-0.0125, "-1.3 %"},
		{math.NaN(), Unknown},
	} {
		if got := Change(c.ratio); got != c.want {
			t.Errorf("Change(%v) = %q, want %q", c.ratio, got, c.want)
		}
	}
}

// What is printed is the value to within half a unit of the last printed
// digit of four.
func TestNumberKeepsValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Float64Range(-1e12, 1e12).Draw(t, "value")
		text := Number(value)
		back, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
		if err != nil {
			t.Fatalf("Number(%v) = %q: %v", value, text, err)
		}
		if math.Abs(back-value) > 0.0005000001*math.Abs(value) {
			t.Fatalf("Number(%v) = %q, off by %v", value, text, back-value)
		}
	})
}

// A spreadsheet shows these numbers so.
func TestFixedRoundsAsSpreadsheetsDo(t *testing.T) {
	for _, c := range []struct {
		value    float64
		decimals int
		want     string
	}{
		{16.125, 2, "16.13"}, // a half in binary: not to the even digit
		{16.1249999, 2, "16.12"},
		{-16.125, 2, "-16.13"},
		{1.005, 2, "1.01"}, // in binary less than a half
		{0.5, 0, "1"}, {0.4999, 0, "0"}, {0.05, 1, "0.1"}, {0.04, 1, "0.0"}, {0.004, 1, "0.0"},
		{9.995, 2, "10.00"}, {999.5, 0, "1,000"}, {1234567.25, 1, "1,234,567.3"},
		{0, 2, "0.00"}, {1e15, 1, "1,000,000,000,000,000.0"},
		{math.Inf(1), 1, Unknown},
	} {
		if got := Fixed(c.value, c.decimals); got != c.want {
			t.Errorf("Fixed(%v, %d) = %q, want %q", c.value, c.decimals, got, c.want)
		}
	}
	if got := Measure(16.125); got != "16.13" {
		t.Errorf("Measure(16.125) = %q", got)
	}
}

func TestFixedKeepsValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Float64Range(-1e9, 1e9).Draw(t, "value")
		decimals := rapid.IntRange(0, 6).Draw(t, "decimals")
		back, err := strconv.ParseFloat(strings.ReplaceAll(Fixed(value, decimals), ",", ""), 64)
		if most := 0.5*math.Pow(10, -float64(decimals)) + 1e-14*math.Abs(value); err != nil || math.Abs(back-value) > most {
			t.Fatalf("Fixed(%v, %d) = %q, off by %v", value, decimals, Fixed(value, decimals), back-value)
		}
	})
}

func TestPlural(t *testing.T) {
	for n, want := range map[int]string{0: "0 cells", 1: "1 cell", 2: "2 cells", 1200: "1,200 cells"} {
		if got := Plural(n, "cell"); got != want {
			t.Errorf("Plural(%d) = %q, want %q", n, got, want)
		}
	}
}
