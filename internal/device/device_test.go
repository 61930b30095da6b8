package device

import (
	"slices"
	"testing"
)

func TestSharingIsWrittenAsRead(t *testing.T) {
	for _, text := range []string{
		"ts", "ts:default", "ts:short", "ts:medium", "ts:long", "mps", "mps:1", "mps:50", "mps:100",
		"mps:20G", "mps:512M", "mps:1025M", "mps:50:20G", "mps:1:1M", "mps:100:999999G",
	} {
		s, err := ParseSharing(text)
		if err != nil || s.String() != text {
			t.Errorf("ParseSharing(%q) is written %q, %v", text, s, err)
		}
		if want := text[0] == 'm'; s.IsMPS() != want {
			t.Errorf("%q: IsMPS() = %v", text, s.IsMPS())
		}
	}
	for _, text := range []string{
		"", "mps:0", "mps:101", "mps:", "mps:050", "mps:5x", "ts:", "ts:never", "MPS",
		"mps:20G:50", "mps:0G", "mps:020G", "mps:20g", "mps:20GB", "mps:20K", "mps:1.5G", "mps:50:50", "mps:101:1G", "mps:1000000G", "mps:50:", "mps::20G", "ts:50",
	} {
		if s, err := ParseSharing(text); err == nil {
			t.Errorf("ParseSharing(%q) = %v, want an error", text, s)
		}
	}
	if got := (Sharing{}).String(); got != TimeSlicing {
		t.Errorf("the zero sharing is %q, want the driver's default %q", got, TimeSlicing)
	}
}

// TestMemoryLimit: G is GiB and M is MiB, and whole GiB have one text.
func TestMemoryLimit(t *testing.T) {
	for _, tt := range []struct {
		text, canonical string
		bytes           uint64
	}{
		{"mps", "mps", 0},
		{"mps:20G", "mps:20G", 20 * 1024 * 1024 * 1024},
		{"mps:512M", "mps:512M", 512 * 1024 * 1024},
		{"mps:1023M", "mps:1023M", 1023 * 1024 * 1024},
		{"mps:1024M", "mps:1G", 1024 * 1024 * 1024},
		{"mps:30:2048M", "mps:30:2G", 2 * 1024 * 1024 * 1024},
	} {
		s, err := ParseSharing(tt.text)
		if err != nil || s.MemoryLimitBytes != tt.bytes || s.String() != tt.canonical {
			t.Errorf("ParseSharing(%q) = %q, %d bytes, %v; want %q, %d bytes", tt.text, s, s.MemoryLimitBytes, err, tt.canonical, tt.bytes)
		}
	}
}

func FuzzParseSharing(f *testing.F) {
	for _, text := range []string{"mps:50", "ts:short", "mps:20G", "mps:50:512M", "mps:1024M"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSharing(text)
		if err != nil {
			return
		}
		if again, err := ParseSharing(s.String()); err != nil || again != s {
			t.Errorf("%q reads as %+v, written %q, which reads as %+v, %v", text, s, s, again, err)
		}
	})
}

func TestEnvironIsSorted(t *testing.T) {
	d := Device{Env: map[string]string{"B": "2", "A": "1"}}
	if got, want := d.Environ(), []string{"A=1", "B=2"}; !slices.Equal(got, want) {
		t.Errorf("Environ() = %v, want %v", got, want)
	}
}
