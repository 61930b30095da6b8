package scenarios

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// readSmall reads the small scenario with one text replaced.
func readSmall(t testing.TB, old, new string) (*Scenario, string) {
	t.Helper()
	s, err := Read("f.yaml", []byte(change(t, old, new)), checks())
	faults := Faults(err)
	if len(faults) == 0 {
		return s, ""
	}
	return s, fmt.Sprintf("%d:%d: %s", faults[0].Line, faults[0].Column, faults[0].Text)
}

func TestWarm(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": time.Minute, "    warm: 0s\n": 0, "    warm: 90s\n": 90 * time.Second,
	} {
		s, fault := readSmall(t, "    workload: vision\n", "    workload: vision\n"+text)
		if fault != "" || s.Services[0].Warm != want || s.Services[1].Warm != time.Minute {
			t.Errorf("%q: %v, and %v for the other service; %s", text, s.Services[0].Warm, s.Services[1].Warm, fault)
		}
	}
	for text, want := range map[string]string{
		"warm: -1s": "10:11: services.eyes.warm is not negative", "warm: 60": "10:11: services.eyes.warm",
	} {
		if _, fault := readSmall(t, "    scrape: [torchserve]\n", "    "+text+"\n"); !strings.HasPrefix(fault, want) {
			t.Errorf("%q: fault %q, want %q", text, fault, want)
		}
	}
}

// Memory is bytes or a share; all that people write otherwise is a fault at its
// place, and no need is never 0.
func TestMemory(t *testing.T) {
	const old = "models: {rt: {workers: 2}"
	for text, want := range map[string]Model{
		"":                 {},
		", memory: 3GiB":   {MemoryBytes: 3 << 30},
		", memory: 1.5GiB": {MemoryBytes: 3 << 29},
		", memory: 900MiB": {MemoryBytes: 900 << 20},
		", memory: 3 GiB":  {MemoryBytes: 3 << 30},
		", memory: 90%":    {MemoryShare: 0.9},
		", memory: 100%":   {MemoryShare: 1},
		", memory: 0.5%":   {MemoryShare: 0.005},
	} {
		want.Name, want.Workers = "rt", 2
		s, fault := readSmall(t, old, "models: {rt: {workers: 2"+text+"}")
		if fault != "" || s.Services[0].Models[0] != want {
			t.Errorf("%q: %+v, want %+v; %s", text, s.Services[0].Models[0], want, fault)
		}
	}
	const at = "8:39: services.eyes.models.rt.memory "
	for text, want := range map[string]string{
		"0GiB": at + "is above 0", "0%": at + "is above 0", "101%": at + "is at most 100%", "100.1%": at + "is at most 100%",
		"3GB": at + "is an amount of memory", "3": at + "is an amount of memory", "-1GiB": at + "is an amount of memory", "1e3MiB": at + "is an amount of memory",
		"9999999GiB": at + "is more than any device has", "[3GiB]": at + "is an amount of memory", "GiB": at + "is an amount of memory",
	} {
		if _, fault := readSmall(t, old, "models: {rt: {workers: 2, memory: "+text+"}"); !strings.HasPrefix(fault, want) {
			t.Errorf("%q: fault %q, want %q", text, fault, want)
		}
	}
}

// What is written in MiB or percent is what is read, and the schema's pattern
// takes it.
func TestMemoryIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mib := rapid.Uint64Range(1, 1<<20).Draw(t, "MiB")
		text := fmt.Sprintf("%dMiB", mib)
		want := Model{Name: "rt", Workers: 2, MemoryBytes: mib << 20}
		if rapid.Bool().Draw(t, "share") {
			percent := rapid.IntRange(1, 100).Draw(t, "percent")
			text = fmt.Sprintf("%d%%", percent)
			want.MemoryBytes, want.MemoryShare = 0, float64(percent)/100
		}
		data := strings.Replace(small, "models: {rt: {workers: 2}", "models: {rt: {workers: 2, memory: "+text+"}", 1)
		s, err := Read("f.yaml", []byte(data), checks())
		if err != nil || s.Services[0].Models[0] != want {
			t.Fatalf("%s: %+v, %v", text, s.Services[0].Models[0], err)
		}
		if !memoryPattern.MatchString(text) {
			t.Fatalf("%s is not in the schema's pattern", text)
		}
	})
}
