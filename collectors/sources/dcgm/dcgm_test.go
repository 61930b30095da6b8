package dcgm

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
)

var update = flag.Bool("update", false, "write the golden parses")

const (
	h100   = "GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f"
	a100   = "GPU-34319582-d595-d1c7-d1d2-179bcfa61660"
	readme = "GPU-604ac76c-d9cf-fef3-62e9-d92044ab6e52"
)

// cut gives n instances of a GPU, with ids from first on.
func cut(gpu, profile string, first, n int) []Device {
	var all []Device
	for i := range n {
		all = append(all, Device{UUID: fmt.Sprintf("MIG-%d", first+i), GPU: gpu, MIG: true, GI: first + i, Profile: profile})
	}
	return all
}

func whole(gpu string) []Device { return []Device{{UUID: gpu, GPU: gpu}} }

// read reads a page once, as if it had been got now.
func read(t *testing.T, devices []Device, text string) ([]collectors.Reading, error) {
	t.Helper()
	return made(t, devices).read([]byte(text), time.Now())
}

func made(t testing.TB, devices []Device) *collector {
	t.Helper()
	c, err := New(devices, trust.Access{}).Collector(collectors.Target{URL: "http://127.0.0.1:9400", Subject: results.Subject{Kind: results.SubjectHost, ID: "node-a"}})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*collector)
}

func file(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pages are the test pages with the layout of each. Every one says in its first line
// where it is from.
func pages() map[string][]Device {
	return map[string][]Device{
		"transcribed-mig-7x1g.txt": cut(h100, "1g.10gb", 7, 7),
		"transcribed-mig-a100.txt": cut(a100, "1g.5gb", 13, 1),
		"transcribed-readme.txt":   whole(readme),
	}
}

// What each page tells, subject by subject, is as it was once read by a person.
func TestGolden(t *testing.T) {
	found, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(found) != len(pages()) {
		t.Fatalf("pages %q and %v, want %d", found, err, len(pages()))
	}
	classes := make(map[string]int)
	for name, devices := range pages() {
		class, _, _ := strings.Cut(name, "-")
		classes[class]++
		text := file(t, name)
		if !strings.HasPrefix(text, "# "+class+" from ") {
			t.Errorf("%s does not say where it is from", name)
		}
		readings, err := read(t, devices, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		sourcetest.Readings(t, readings)
		var lines strings.Builder
		for _, r := range readings {
			fmt.Fprintf(&lines, "%s %s %s %v %s\n", r.Subject.Kind, r.Subject.ID, r.Series, r.Value, r.Unit)
		}
		golden := strings.TrimSuffix(name, ".txt") + ".golden"
		if *update {
			if err := os.WriteFile(filepath.Join("testdata", golden), []byte(lines.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if want := file(t, golden); lines.String() != want {
			t.Errorf("%s: got\n%swant\n%s", name, lines.String(), want)
		}
	}
	t.Logf("pages by class: %v", classes)
}

// Under MIG each instance has its own activity and memory, and the GPU its power,
// clocks and energy once: never seven times, never under an instance.
func TestSevenInstances(t *testing.T) {
	readings, err := read(t, cut(h100, "1g.10gb", 7, 7), file(t, "transcribed-mig-7x1g.txt"))
	if err != nil {
		t.Fatal(err)
	}
	byKind := make(map[results.SubjectKind]map[string]int)
	for _, r := range readings {
		if byKind[r.Subject.Kind] == nil {
			byKind[r.Subject.Kind] = make(map[string]int)
		}
		byKind[r.Subject.Kind][r.Series]++
		switch {
		case r.Subject.Kind == results.SubjectInstance && (r.Subject.GPU != h100 || r.Subject.Detail != "1g.10gb"):
			t.Errorf("not an instance of the GPU: %+v", r)
		case r.Series == energy && r.Value != 86400123.24: // the seventh's line, the last that was read, in J
			t.Errorf("energy: got %v", r.Value)
		case r.Series == "DCGM_FI_PROF_SM_ACTIVE" && r.Subject.ID == "MIG-12" && r.Value != 0.55: // the sixth's line
			t.Errorf("SM_ACTIVE of the sixth: got %v", r.Value)
		}
	}
	instance, gpu := byKind[results.SubjectInstance], byKind[results.SubjectGPU]
	for _, s := range []string{"DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_FB_USED"} {
		if instance[s] != 7 || gpu[s] != 0 {
			t.Errorf("%s: of %d instances and %d GPUs, want 7 and 0", s, instance[s], gpu[s])
		}
	}
	for _, s := range []string{"DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_DEV_GPU_TEMP", energy} {
		if instance[s] != 0 || gpu[s] != 1 {
			t.Errorf("%s: of %d instances and %d GPUs, want 0 and 1", s, instance[s], gpu[s])
		}
	}
}

// A GPU's own line tells its power, wherever it stands on the page; without one, the
// largest that an instance's line repeats.
func TestParentsLine(t *testing.T) {
	line := func(labels string, watts int) string {
		return fmt.Sprintf("DCGM_FI_DEV_POWER_USAGE{UUID=%q%s} %d\n", "GPU-1", labels, watts)
	}
	first, second := line(`,GPU_I_ID="7",GPU_I_PROFILE="1g.10gb"`, 310), line(`,GPU_I_ID="8",GPU_I_PROFILE="1g.10gb"`, 305)
	own := line("", 300)
	for text, want := range map[string]float64{
		own + first + second: 300, first + own + second: 300, first + second + own: 300, first + second: 310, second + first: 310,
	} {
		readings, err := read(t, cut("GPU-1", "1g.10gb", 7, 2), text)
		if err != nil || len(readings) != 2 || readings[0].Value != want || readings[0].Subject != (results.Subject{Kind: results.SubjectGPU, ID: "GPU-1"}) {
			t.Errorf("%s: got %+v, %v, want %v W of the GPU", text, readings, err, want)
		}
	}
}

// A ratio a hair above 1 is the highest that there is: it is kept as it is told.
func TestRatioAboveOne(t *testing.T) {
	readings, err := read(t, whole("GPU-1"), `DCGM_FI_PROF_SM_ACTIVE{UUID="GPU-1"} 1.000001`+"\n")
	if err != nil || len(readings) == 0 || readings[0].Value != 1.000001 {
		t.Errorf("got %+v, %v", readings, err)
	}
}

// What cannot be believed is refused with its reason; what is beside it stands.
func TestRefused(t *testing.T) {
	seven, readmePage := file(t, "transcribed-mig-7x1g.txt"), file(t, "transcribed-readme.txt")
	one := func(labels, value string) string {
		return `DCGM_FI_PROF_SM_ACTIVE{UUID="GPU-1",` + labels + `} ` + value + "\n"
	}
	mig := cut("GPU-1", "1g.10gb", 7, 1)
	good := one(`GPU_I_ID="7",GPU_I_PROFILE="1g.10gb"`, "0.5")
	for _, c := range []struct {
		name    string
		devices []Device
		text    string
		values  int // readings of devices that stand
		fault   string
	}{
		{"MIG, and no instances", cut(readme, "1g.10gb", 7, 7), readmePage, 0, "as a whole, which is cut into 7 instances"},
		{"no MIG, and instances", whole(h100), seven, 0, "7 instances of " + h100 + ", which is not cut up now"},
		{"an older layout's instances", cut(h100, "1g.10gb", 1, 7), seven, 0, "instance 10 (1g.10gb) of " + h100 + ", which is not the present layout's"},
		{"an id made anew as another profile", cut(h100, "3g.40gb", 7, 7), seven, 0, "not the present layout's"},
		{"wrong memory in the profile's name", cut(h100, "1g.12gb", 7, 7), seven, 7*8 + 6, ""},
		{"one instance missing", cut(h100, "1g.10gb", 7, 8), seven, 7*8 + 6, "does not tell of instance 14 of " + h100},
		{"another's GPU", whole("GPU-0"), seven, 0, "tells nothing of GPU-0"},
		{"another's GPU beside ours", append(whole(readme), whole("GPU-0")...), readmePage, 2, "tells nothing of GPU-0"},
		{"every value blank", whole("GPU-1"), one(`gpu="0"`, "9223372036854775792"), 0, "no value for any series"},
		{"no number", whole("GPU-1"), one(`gpu="0"`, "NaN"), 0, "no value for any series"},
		{"a ratio of 140737488355328", whole("GPU-1"), one(`gpu="0"`, "140737488355328"), 0, "no value for any series"},
		{"a ratio above 1", mig, good + strings.Replace(one(`GPU_I_ID="7",GPU_I_PROFILE="1g.10gb"`, "1.011"), "SM_ACTIVE", "DRAM_ACTIVE", 1), 1, "is 1.011, which it cannot be"},
		{"a ratio a hair above 1", mig, good + strings.Replace(one(`GPU_I_ID="7",GPU_I_PROFILE="1g.10gb"`, "1.000001"), "SM_ACTIVE", "DRAM_ACTIVE", 1), 2, ""},
		{"the largest ratio", mig, good + strings.Replace(one(`GPU_I_ID="7",GPU_I_PROFILE="1g.10gb"`, "1.01"), "SM_ACTIVE", "DRAM_ACTIVE", 1), 2, ""},
		{"a ratio of exactly 1", mig, one(`GPU_I_ID="7",GPU_I_PROFILE="1g.10gb"`, "1"), 1, ""},
		{"utilization under MIG", mig, good + `DCGM_FI_DEV_GPU_UTIL{UUID="GPU-1",GPU_I_ID="7",GPU_I_PROFILE="1g.10gb"} 0` + "\n", 1, ""},
		{"utilization without MIG", whole("GPU-1"), `DCGM_FI_DEV_GPU_UTIL{UUID="GPU-1"} 40` + "\n", 1, ""},
		{"two pods, one value", mig, good + one(`GPU_I_ID="7",GPU_I_PROFILE="1g.10gb",pod="b"`, "0.5"), 1, ""},
		{"two pods, two values", mig, good + one(`GPU_I_ID="7",GPU_I_PROFILE="1g.10gb",pod="b"`, "0.6"), 0, "told twice, as 0.5 and as 0.6"},
		{"a process's line", mig, good + one(`GPU_I_ID="7",GPU_I_PROFILE="1g.10gb",pid="12"`, "0.1"), 1, ""},
		{"a simulated server's", mig, good + `evabench_simulated_info{server="pro6000x1",collect_interval="30s"} 1` + "\n", 0, "a simulated server's"},
		{"the old namespace", whole("GPU-1"), `DCGM_FI_PROF_SM_ACTIVE{uuid="GPU-1"} 0.5` + "\n", 1, ""},
	} {
		readings, err := read(t, c.devices, c.text)
		values := slices.DeleteFunc(readings, func(r collectors.Reading) bool { return r.Subject.Kind == results.SubjectHost })
		if len(values) != c.values {
			t.Errorf("%s: got %d readings %+v, want %d", c.name, len(values), values, c.values)
		}
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.fault)
		}
	}
}

// The compute instances of one GPU instance share its lines: they are about the
// GPU instance.
func TestComputeInstances(t *testing.T) {
	devices := []Device{
		{UUID: "MIG-a", GPU: "GPU-1", MIG: true, GI: 2, Profile: "2g.20gb"},
		{UUID: "MIG-b", GPU: "GPU-1", MIG: true, GI: 2, Profile: "2g.20gb"},
	}
	readings, err := read(t, devices, `DCGM_FI_PROF_SM_ACTIVE{UUID="GPU-1",GPU_I_ID="2",GPU_I_PROFILE="2g.20gb"} 0.5`+"\n")
	want := results.Subject{Kind: results.SubjectInstance, ID: "GPU-1/gi2", GPU: "GPU-1", Detail: "2g.20gb"}
	if err != nil || len(readings) == 0 || readings[0].Subject != want {
		t.Errorf("got %+v, %v, want of %+v", readings, err, want)
	}
}

// renamed gives every reading the target's subject, its own in the detail, as the
// conformance suite wants it of pages that are about one thing.
type renamed struct{ collectors.Source }

func (r renamed) Collector(target collectors.Target) (collectors.Collector, error) {
	c, err := r.Source.Collector(target)
	if err != nil {
		return nil, err
	}
	return renamedCollector{c, target.Subject}, nil
}

type renamedCollector struct {
	collectors.Collector
	subject results.Subject
}

func (r renamedCollector) Read(ctx context.Context) ([]collectors.Reading, error) {
	readings, err := r.Collector.Read(ctx)
	for i := range readings {
		detail := readings[i].Subject.ID
		readings[i].Subject = r.subject
		readings[i].Subject.Detail = detail
	}
	return readings, err
}

func (r renamedCollector) Close() error { return r.Collector.(io.Closer).Close() }

func TestConformance(t *testing.T) {
	text := file(t, "transcribed-mig-7x1g.txt")
	sourcetest.Page(t, renamed{New(cut(h100, "1g.10gb", 7, 7), trust.Access{})}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, text)
	}))
	if _, err := New(nil, trust.Access{}).Collector(collectors.Target{URL: "http://127.0.0.1:9400"}); err == nil {
		t.Error("no devices: no error")
	}
}
