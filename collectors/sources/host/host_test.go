package host

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/results"
)

var update = flag.Bool("update", false, "write the golden parse")

// machine is the target's subject.
func machine() results.Subject { return results.Subject{Kind: results.SubjectHost, ID: "node-a"} }

// folder gives a /proc with these files, of which we are process 1.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("1", filepath.Join(dir, "self")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func recorded(t *testing.T) map[string]string {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/recorded-linux-6.18.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
	}
	if len(files) < 8 {
		t.Fatalf("%d files", len(files))
	}
	return files
}

func collectorOf(t testing.TB, s source) *collector {
	t.Helper()
	c, err := s.Collector(collectors.Target{Subject: machine()})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*collector)
}

// What a recorded machine tells is as it was once read by a person; what its kernel does
// not tell is a warning, and hides nothing.
func TestGolden(t *testing.T) {
	c := collectorOf(t, source{proc: folder(t, recorded(t))})
	readings, err := c.Read(t.Context())
	if err != nil {
		t.Error(err)
	}
	sourcetest.Readings(t, readings)
	var lines strings.Builder
	for _, r := range readings {
		fmt.Fprintf(&lines, "%s %s %v %s\n", r.Series, r.Subject.Detail, r.Value, r.Unit)
	}
	const golden = "testdata/recorded-linux-6.18.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(lines.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || lines.String() != string(want) {
		t.Errorf("got\n%swant\n%s%v", lines.String(), want, err)
	}
	again, err := c.Read(t.Context())
	if err != nil || len(again) != len(readings) {
		t.Errorf("the second read: %d readings and %v, want %d alone", len(again), err, len(readings))
	}
	if w := c.Warnings(); len(w) != 1 || w[0].Count != 1 || !strings.Contains(w[0].Text, "does not tell /proc/schedstat:") {
		t.Errorf("got %+v, want that schedstat alone is not told", w)
	}
	t.Log("pages by class: map[recorded:1]")
}

// One part that cannot be read gives no reading and hides no other.
func TestParts(t *testing.T) {
	for _, c := range []struct {
		file, text string
		series     string // whose value is wanted
		want       float64
		fault      string // instead of it
	}{
		// Documentation/scheduler/sched-stats.rst: the 8th number is the waiting, ns.
		{"schedstat", "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 5 1500000000 7\ncpu1 0 0 0 0 0 0 5 500000000 7\n", SeriesRunQueue, 2, ""},
		{"schedstat", "version 15\n", SeriesRunQueue, 0, "told: schedstat"},
		{"stat", "cpu 0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n", SeriesBusy, 0, "no processor time"},
		{"stat", "cpu 100 200 300 400 500 600 700 800 50 60\ncpu0 1 1 1 1 1 1 1 1 1 1\n", SeriesBusy, 1 + 2 + 3 + 6 + 7, ""},
		{"stat", "cpu 100 200 300 400 500 600 700 800 50 60\ncpu0 1 1 1 1 1 1 1 1 1 1\n", SeriesIdle, 4 + 5, ""},
		{"pressure/cpu", "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", SeriesCPUPressure, 0, "no line some"},
		{"pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n", SeriesCPUPressure, 1.5, ""},
		{"meminfo", "MemTotal: 2 kB\n", SeriesMemoryTotal, 2048, ""},
		{"meminfo", "nonsense\n", SeriesMemoryTotal, 0, "read /proc/meminfo"},
		{"1/net/snmp", "Ip: Forwarding\nIp: 1\n", SeriesRetransmitted, 0, "does not tell RetransSegs"},
		{"net/dev", "h\nh\n  veth12: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n  eth0: 3 0 0 0 0 0 0 0 4 0 0 0 0 0 0 0\n", SeriesReceived, 3, ""},
	} {
		files := recorded(t)
		files[c.file] = c.text
		from := collectorOf(t, source{proc: folder(t, files)})
		got, err := from.Read(t.Context())
		if from.untold["schedstat"] && c.file == "schedstat" {
			err = errors.Join(err, errors.New("not told: schedstat"))
		}
		var values []float64
		for _, r := range got {
			if r.Series == c.series {
				values = append(values, r.Value)
			}
		}
		switch {
		case c.fault == "" && (len(values) != 1 || values[0] != c.want):
			t.Errorf("%s %q: %s is %v, want %v; %v", c.file, c.text, c.series, values, c.want, err)
		case c.fault != "" && (len(values) > 0 || err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s %q: %s is %v and %v, want %q", c.file, c.text, c.series, values, err, c.fault)
		case len(got) < 10:
			t.Errorf("%s %q hides the rest: %v", c.file, c.text, got)
		}
	}
}

// This machine, whatever its kernel tells.
func TestThisMachine(t *testing.T) {
	s := New(nil)
	if _, err := s.Collector(collectors.Target{URL: "http://127.0.0.1:1"}); err == nil {
		t.Error("a URL: no error")
	}
	sourcetest.Local(t, s)
	if _, err := (source{proc: filepath.Join(t.TempDir(), "none")}).Collector(collectors.Target{}); err == nil {
		t.Error("no /proc: no error")
	}
}
