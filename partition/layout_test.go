package partition

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/internal/device"
)

func TestParseLayout(t *testing.T) {
	tests := []struct{ text, canonical string }{
		{"off", "off"},
		{"off(mps)", "off(mps)"},
		{"off(ts:short)", "off(ts:short)"},
		{"4x1g.24gb", "4x1g.24gb"},
		{"1g.24gb", "1g.24gb"},
		{"all-1g.24gb(mps)", "all-1g.24gb(mps)"},
		{"1x2g.48gb+2x1g.24gb", "2g.48gb+2x1g.24gb"},
		{" 2g.48gb(mps:50) + 1g.24gb(ts) ", "2g.48gb(mps:50)+1g.24gb(ts)"},
		{"1g.24gb+1g.24gb+1g.24gb(ts)", "2x1g.24gb+1g.24gb(ts)"},
		{"1g.24gb+me+1g.24gb-me", "1g.24gb+me+1g.24gb-me"},
		{"1g.24gb+me.all+3x1g.24gb-me", "1g.24gb+me.all+3x1g.24gb-me"},
		{"2g.10gb/2x1c", "2g.10gb/2x1c"},
		{"2g.10gb/1c,1c(mps)", "2g.10gb/2x1c(mps)"},
		{"3g.20gb/2c,1c", "3g.20gb/2c,1c"},
		{"7g.40gb/1c,2x2c,1c,1c", "7g.40gb/1c,2x2c,2x1c"},
		{"2g.10gb/2c", "2g.10gb"}, // one that takes all is none
		{"2g.10gb+2g.10gb/1x2c", "2x2g.10gb"},
		{"2g.10gb/2x1c+2g.10gb/1c,1c", "2x2g.10gb/2x1c"},
		{"2g.10gb/2x1c+2g.10gb", "2g.10gb/2x1c+2g.10gb"},
		{"all-2g.10gb/2x1c(ts)", "all-2g.10gb/2x1c(ts)"},
		{"1g.5gb+me/1c", "1g.5gb+me"},
		{"7g.40gb/16x1c", "7g.40gb/16x1c"},
		{"4g.20gb(mps:1024M)", "4g.20gb(mps:1G)"},
		{"4g.20gb(mps:50:512M)+4g.20gb(mps:50:512M)", "2x4g.20gb(mps:50:512M)"},
		{"gpu1: off; gpu0: 4x1g.24gb", "gpu0: 4x1g.24gb; gpu1: off"},
		{"60x1g.5gb+60x1g.5gb", "60x1g.5gb+60x1g.5gb"},
	}
	for _, tt := range tests {
		l, err := ParseLayout(tt.text)
		if err != nil {
			t.Errorf("ParseLayout(%q): %v", tt.text, err)
			continue
		}
		if got := l.String(); got != tt.canonical {
			t.Errorf("ParseLayout(%q) = %q, want %q", tt.text, got, tt.canonical)
		}
	}
}

func TestParseLayoutFaults(t *testing.T) {
	tests := []struct {
		text   string
		column int
		reason string
	}{
		{"", 1, "want off or a profile"},
		{"on", 1, "want off or a profile"},
		{"4x", 1, "want off or a profile"},
		{"0x1g.24gb", 1, "1 to 99"},
		{"100x1g.24gb", 1, "1 to 99"},
		{"99999999999999999999x1g.24gb", 1, "1 to 99"},
		{"1g.24gb+", 9, "want off or a profile"},
		{"1g.24gb off", 9, "not understood"},
		{"1g.24gb/", 9, "want compute instances"},
		{"1g.24gb/2", 9, "want compute instances"},
		{"1g.24gb/c", 9, "want compute instances"},
		{"2g.24gb/1c,", 12, "want compute instances"},
		{"2g.24gb/1c,x", 12, "want compute instances"},
		{"2g.24gb/1c/1c", 11, "not understood"},
		{"2g.24gb/0x1c", 9, "1 to 16"},
		{"2g.24gb/0c", 9, "1 to 16"},
		{"2g.24gb/17x1c", 9, "1 to 16"},
		{"2g.24gb/1c,16x1c", 12, "1 to 16"},
		{"2g.24gb/99999999999999999999c", 9, "1 to 16"},
		{"2g.24gb/99999999999999999999x99999999999999999999c", 9, "1 to 16"},
		{"2g.24gb/4294967296x4294967296c", 9, "1 to 16"},
		{"off/2x1c", 4, "MIG off cannot be cut"},
		{"1g.24gb(mps)/2x1c", 13, "not understood"},
		{"1g.24gb(mps:0)", 9, "mps:1 to mps:100"},
		{"1g.24gb(mps:20G:50)", 9, "is none of"},
		{"1g.24gb(mps:101)", 9, "1 to 100"},
		{"1g.24gb(fast)", 9, "is none of"},
		{"off+1g.24gb", 5, "stand alone"},
		{"1g.24gb+all-2g.48gb", 9, "stand alone"},
		{"gpu0: off; gpu0: off", 12, "stands twice"},
		{"off; off", 6, "prefix"},
		{"gpu0: off;", 11, "want off or a profile"},
		{"gpu01: off", 1, "want off or a profile"},
	}
	for _, tt := range tests {
		_, err := ParseLayout(tt.text)
		fault, ok := errors.AsType[*SyntaxError](err)
		if !ok || fault.Column != tt.column || !strings.Contains(fault.Reason, tt.reason) {
			t.Errorf("ParseLayout(%q) = %v, want column %d and %q", tt.text, err, tt.column, tt.reason)
		}
	}
}

func FuzzParseLayout(f *testing.F) {
	for _, text := range []string{"off", "4x1g.24gb(mps)", "gpu0: 2g.48gb+2x1g.24gb(ts); gpu12: off(mps:7)", "all-1g.6gb+me", "2g.10gb/2x1c(mps:50:20G)+3g.20gb/2c,1c+2g.10gb/2c", "off(mps:1024M)", "7g.40gb/1x1c,1c,2x2c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLayout(text)
		if err != nil {
			return
		}
		again, err := ParseLayout(l.String())
		if err != nil || !reflect.DeepEqual(again, l) {
			t.Errorf("%q reads as %+v, written %q, which reads as %+v, %v", text, l, l, again, err)
		}
	})
}

var (
	drawSharing = rapid.SampledFrom([]device.Sharing{
		{}, {Mode: device.TimeSlicing}, {Mode: device.MPS}, {Mode: device.MPS, ThreadPercent: 50}, {Mode: device.TimeSlicing, TimeSlice: "long"},
		{Mode: device.MPS, MemoryLimitBytes: 20 << 30}, {Mode: device.MPS, ThreadPercent: 7, MemoryLimitBytes: 1025 << 20},
	})
	drawProfile = rapid.SampledFrom([]string{"1g.24gb", "1g.24gb+me", "1g.24gb+me.all", "1g.24gb+gfx", "1g.24gb-me", "2g.48gb", "4g.96gb"})
)

// drawSplit gives what a split can be: mostly none.
var drawSplit = rapid.SampledFrom([][]int{nil, nil, nil, {1}, {1, 1}, {2, 1}, {1, 2}, {2, 2}, {2}, {4}, {1, 1, 2, 1, 1}})

// drawTerms gives what a GPU's part of a text can hold.
func drawTerms(t *rapid.T) []Term {
	switch rapid.IntRange(0, 4).Draw(t, "form") {
	case 0:
		return []Term{{Count: 1, Sharing: drawSharing.Draw(t, "sharing")}}
	case 1:
		return mergeTerms([]Term{{Profile: drawProfile.Draw(t, "profile"), Count: AsMany, Split: drawSplit.Draw(t, "split"), Sharing: drawSharing.Draw(t, "sharing")}})
	}
	var terms []Term
	for range rapid.IntRange(1, 4).Draw(t, "terms") {
		terms = append(terms, Term{
			Profile: drawProfile.Draw(t, "profile"), Count: rapid.IntRange(1, MaxCount).Draw(t, "count"),
			Split: drawSplit.Draw(t, "split"), Sharing: drawSharing.Draw(t, "sharing"),
		})
	}
	return mergeTerms(terms)
}

func drawLayout(t *rapid.T) Layout {
	if rapid.Bool().Draw(t, "all") {
		return Layout{GPUs: []GPULayout{{Index: AllGPUs, Terms: drawTerms(t)}}}
	}
	var l Layout
	for i := range rapid.IntRange(1, 3).Draw(t, "gpus") {
		l.GPUs = append(l.GPUs, GPULayout{Index: 2 * i, Terms: drawTerms(t)})
	}
	return l
}

func TestLayoutRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLayout(t)
		again, err := ParseLayout(l.String())
		if err != nil || !reflect.DeepEqual(again, l) {
			t.Fatalf("%+v is written %q, which reads as %+v, %v", l, l, again, err)
		}
		data, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		var decoded Layout
		if err := json.Unmarshal(data, &decoded); err != nil || !reflect.DeepEqual(decoded, l) {
			t.Fatalf("%s decodes to %+v, %v", data, decoded, err)
		}
	})
}

func TestWithSharing(t *testing.T) {
	mps := device.Sharing{Mode: device.MPS}
	for _, tt := range []struct{ text, want string }{
		{"off", "off(mps)"},
		{"off(ts)", "off(ts)"},
		{"gpu0: 2g.48gb+1g.24gb(mps:30); gpu1: off", "gpu0: 2g.48gb(mps)+1g.24gb(mps:30); gpu1: off(mps)"},
		{"1g.24gb+1g.24gb(mps)", "2x1g.24gb(mps)"},
	} {
		l, err := ParseLayout(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.WithSharing(mps).String(); got != tt.want {
			t.Errorf("%q with mps is %q, want %q", tt.text, got, tt.want)
		}
		if got := l.String(); !strings.Contains(tt.text, "1g.24gb+1g") && got != tt.text {
			t.Errorf("WithSharing changed %q to %q", tt.text, got)
		}
	}
	var zero Layout
	if err := zero.UnmarshalText(nil); err != nil || zero.String() != "" {
		t.Errorf("the zero layout is %q, %v", zero, err)
	}
}

// noSlice reports whether a sharing goes with an instance.
func noSlice(s device.Sharing) bool { return s.TimeSlice == "" }
