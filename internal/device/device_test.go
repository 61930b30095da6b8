package device

import (
	"slices"
	"testing"
)

func TestSharingIsWrittenAsRead(t *testing.T) {
	for _, text := range []string{"ts", "ts:default", "ts:short", "ts:medium", "ts:long", "mps", "mps:1", "mps:50", "mps:100"} {
		s, err := ParseSharing(text)
		if err != nil || s.String() != text {
			t.Errorf("ParseSharing(%q) is written %q, %v", text, s, err)
		}
		if want := text[0] == 'm'; s.IsMPS() != want {
			t.Errorf("%q: IsMPS() = %v", text, s.IsMPS())
		}
	}
	for _, text := range []string{"", "mps:0", "mps:101", "mps:", "mps:050", "mps:5x", "ts:", "ts:never", "MPS"} {
		if s, err := ParseSharing(text); err == nil {
			t.Errorf("ParseSharing(%q) = %v, want an error", text, s)
		}
	}
	if got := (Sharing{}).String(); got != TimeSlicing {
		t.Errorf("the zero sharing is %q, want the driver's default %q", got, TimeSlicing)
	}
}

func FuzzParseSharing(f *testing.F) {
	f.Add("mps:50")
	f.Add("ts:short")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseSharing(text); err == nil && s.String() != text {
			t.Errorf("%q is written back as %q", text, s)
		}
	})
}

func TestEnvironIsSorted(t *testing.T) {
	d := Device{Env: map[string]string{"B": "2", "A": "1"}}
	if got, want := d.Environ(), []string{"A=1", "B=2"}; !slices.Equal(got, want) {
		t.Errorf("Environ() = %v, want %v", got, want)
	}
}
