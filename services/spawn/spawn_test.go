package spawn

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/services"
)

func TestTemplates(t *testing.T) {
	v := &Values{Port: 7000, Instance: services.Instance{
		Service: "eyes", Name: "eyes-1", Device: device.Device{UUID: "GPU-1"}, LogDir: t.TempDir(),
		Models: []services.Model{{Name: "a", Workers: 2}, {Name: "b", Workers: 1}}, Params: map[string]string{"batch": "8"},
	}}
	check := func(text, want string) {
		t.Helper()
		x, err := ParseTemplate(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		if got, err := x.Expand(v.Of); err != nil || got != want {
			t.Errorf("%q becomes %q, %v; want %q", text, got, err, want)
		}
	}
	check("--port={port},{port+2}", "--port=7000,7002")
	check("{models} {name} {device} {params.batch} {workers.a}", "a,b eyes-1 GPU-1 8 2")
	check(`{"image": {"a": 1}, "b": {}}`, `{"image": {"a": 1}, "b": {}}`)
	check("{{port}} {{x}}", "{port} {x}")
	check("{dir}", filepath.Join(v.Instance.LogDir, "eyes-1"))
	for _, text := range []string{"{port+0}", "{port+01}", "{port+100}", "{port-1}", "{params.}", "{workers.}", "{x}"} {
		if _, err := ParseTemplate(text); err == nil {
			t.Errorf("%q passed", text)
		}
	}
	for text, want := range map[string]string{
		"{params.x}": "no parameter eyes.x; give it in matrix: params", "{workers.x}": `no model "x"`,
	} {
		x, err := ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := x.Expand(v.Of); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q becomes %q, %v; want %q", text, got, err, want)
		}
	}
}

// What several instances, or those on no device, cannot have is seen before one is started.
func TestCountedInstances(t *testing.T) {
	check := func(want string, change func(*Config), argv ...string) {
		t.Helper()
		c := Defaults
		c.Instances = 2
		change(&c)
		s := Read(c)
		for _, text := range argv {
			s.Template("argv", text)
		}
		err := errors.Join(s.Check()...)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	check("", func(*Config) {}, "--port={port}")
	check("{device}: instances that are counted are placed on no device", func(*Config) {}, "--gpu={device}")
	check("{device}", func(c *Config) { c.Env = map[string]string{"GPU": "{device}"} })
	check("", func(c *Config) { c.Instances = 0 }, "--gpu={device}")
	check("url: it is the same for all 2 instances", func(c *Config) { c.URL = "http://127.0.0.1:8000" })
	check("", func(c *Config) { c.URL, c.Instances = "http://127.0.0.1:8000", 1 })
	check("", func(c *Config) { c.URL = "http://127.0.0.1:8000/{name}" })
}

// Given ports are those of all counted instances, else of one.
func TestGivenPorts(t *testing.T) {
	for _, c := range []struct{ port, instances, first, n int }{{0, 2, 0, 0}, {8000, 0, 8000, 2}, {8000, 3, 8000, 6}} {
		settings := Defaults
		settings.Port, settings.Instances, settings.Scrapes = c.port, c.instances, map[string]string{"vllm": "port+1"}
		if first, n := Read(settings).Ports(); first != c.first || n != c.n {
			t.Errorf("%+v: got %d, %d", c, first, n)
		}
	}
}

func FuzzParseTemplate(f *testing.F) {
	for _, s := range []string{"{port}", "a{{b}}c{port+1}", `{"a":{"b":{}}}`, "{", "{{port}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		x, err := ParseTemplate(text)
		if err != nil {
			return
		}
		// Its names in braces again, and what looks like one doubled.
		back, err := x.Expand(func(name string) (string, error) { return "{" + name + "}", nil })
		want := inBraces.ReplaceAllStringFunc(text, func(s string) string {
			if strings.HasPrefix(s, "{{") {
				return s[1 : len(s)-1]
			}
			return s
		})
		if err != nil || back != want {
			t.Errorf("%q is written back as %q, %v", text, back, err)
		}
	})
}

func TestCPUs(t *testing.T) {
	check := func(text string, want ...int) {
		t.Helper()
		if got, err := ParseCPUs(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	check("")
	check("0", 0)
	check("0-3,8", 0, 1, 2, 3, 8)
	check("8, 1-2,2", 1, 2, 8)
	check("1023", 1023)
	for _, text := range []string{"1024", "-1", "a", "1-", "3-1", ",", "0x1", "1-2-3"} {
		if got, err := ParseCPUs(text); err == nil {
			t.Errorf("%q passed as %v", text, got)
		}
	}
}

// A port is given once, also by the launchers of two services, neither of whose
// servers has bound it yet.
func TestPortsAreNotGivenTwice(t *testing.T) {
	services := []*Ports{{}, {}}
	seen := map[int]bool{}
	for n := range 50 {
		p := services[n%2]
		first, err := p.Free(3)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.GiveBack(first, 3) })
		for port := first; port < first+3; port++ {
			if seen[port] {
				t.Errorf("port %d was given twice", port)
			}
			seen[port] = true
		}
	}
	p, other := services[0], services[1]
	first, err := p.Free(2)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range services {
		if err := q.Fixed(first+1, 1); err == nil || !strings.Contains(err.Error(), "is another instance's") {
			t.Errorf("port %d was given twice: %v", first+1, err)
		}
	}
	other.GiveBack(first, 2) // not its own
	if other.Fixed(first, 1) == nil {
		t.Errorf("port %d was given twice", first)
	}
	p.GiveBack(first, 2)
	if err := other.Fixed(first, 2); err != nil {
		t.Errorf("port %d was given back: %v", first, err)
	}
	other.GiveBack(first, 2)
}

// What could not be taken in full is not taken at all.
func TestPortsAreTakenInFull(t *testing.T) {
	p, other := &Ports{}, &Ports{}
	first, err := p.Free(3)
	if err != nil {
		t.Fatal(err)
	}
	p.GiveBack(first, 2)
	defer p.GiveBack(first, 3)
	if other.Fixed(first, 3) == nil {
		t.Errorf("port %d was given twice", first+2)
	}
	if err := p.Fixed(first, 2); err != nil {
		t.Error(err)
	}
}
