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
