package scenarios

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
)

// small is a whole scenario; the faults' tests change one thing in it.
const small = `version: 1
name: small
services:
  eyes:
    role: vision
    launcher: {kind: sim, delay: 5s}
    endpoint: torchserve
    models: {rt: {workers: 2}, owl: {}}
    workload: vision
    scrape: [torchserve]
    load: {arrivals: poisson, levels: [1, 2.5]}
    slo: ["p95 < 300 ms"]
  mind:
    role: agent
    launcher: sim
    endpoint: openai-chat
    models: {qwen: {}}
    workload: agent
    load: {arrivals: closed, levels: [4]}
steps: {warmup: 1s, window: 2s}
matrix:
  layout: ["off", 4x1g.24gb]
  sharing: [ts, mps]
  workers: [{}, {owl: 4}]
  params: {mind.max: [16, 32]}
`

// change gives small with one text replaced, which must be there.
func change(t testing.TB, old, new string) string {
	t.Helper()
	if strings.Count(small, old) != 1 {
		t.Fatalf("%q stands %d times in the small scenario", old, strings.Count(small, old))
	}
	return strings.Replace(small, old, new, 1)
}

type simConfig struct {
	Server string        `yaml:"server"`
	Delay  time.Duration `yaml:"delay"`
	Sizes  struct {
		Width int `yaml:"width"`
	} `yaml:"sizes"`
	Labels map[string]float64 `yaml:"labels"`
}

var launchers = kind.Set[simConfig]{
	kind.New("sim", "", simConfig{Server: "x", Labels: map[string]float64{"kept": 1}}, func(c simConfig) (simConfig, error) {
		if c.Delay < 0 {
			return c, errors.New("delay is not negative")
		}
		return c, nil
	}),
}

func checks() Checks {
	return Checks{
		Launcher: func(s kind.Spec) error { _, err := launchers.Build(s); return err },
		Layout: func(text string) (string, error) {
			if strings.HasPrefix(text, "5x") {
				return "", fmt.Errorf("layout %q is none", text)
			}
			return strings.TrimPrefix(text, "1x"), nil
		},
		Sharing: func(text string) error {
			if text != "ts" && text != "mps" {
				return fmt.Errorf("sharing %q is none of ts, mps", text)
			}
			return nil
		},
		Router: func(s kind.Spec) error {
			if s.Name != "round-robin" {
				return fmt.Errorf("unknown kind %q; known: round-robin", s.Name)
			}
			return nil
		},
	}
}

func TestRead(t *testing.T) {
	s, err := Read("small.yaml", []byte(small), checks())
	if err != nil {
		t.Fatal(err)
	}
	eyes, mind := s.Services[0], s.Services[1]
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"names", []string{eyes.Name, mind.Name}, []string{"eyes", "mind"}},
		{"backend", s.Server.Backend.Name, "none"},
		{"models", eyes.Models, []Model{{Name: "rt", Workers: 2}, {Name: "owl", Workers: 1}}},
		{"scrapes", eyes.Scrapes[0].Name, "torchserve"},
		{"levels", eyes.Load.Levels, []float64{1, 2.5}},
		{"slo", eyes.SLO, []results.Clause{{Metric: "latency", Quantile: 0.95, Op: "<", Limit: 0.3, Unit: "s", Text: "p95 < 300 ms"}}},
		{"timeouts", []time.Duration{eyes.Timeout, mind.Timeout}, []time.Duration{30 * time.Second, 5 * time.Minute}},
		{"percentiles", mind.Percentiles, []float64{0.5, 0.9}},
		{"times", []time.Duration{s.Warmup, s.Window, s.CollectEvery}, []time.Duration{time.Second, 2 * time.Second, 500 * time.Millisecond}},
		{"replicates, seed", []uint64{uint64(s.Replicates), s.Seed}, []uint64{1, 1}},
		{"layouts", s.Matrix.Layouts, []string{"off", "4x1g.24gb"}},
		{"defaults", []string{s.Matrix.Placements[0], s.Matrix.Routings[0]}, []string{"auto", "round-robin"}},
		{"workers", s.Matrix.Workers, []map[string]int{{}, {"owl": 4}}},
		{"params", s.Matrix.Params, []Param{{"mind.max", []string{"16", "32"}}}},
		{"source", string(s.Source), small},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, c.got, c.want)
		}
	}
	var got simConfig
	if err := eyes.Launcher.Decode(&got); err != nil || got.Delay != 5*time.Second {
		t.Errorf("launcher's arguments: got %+v, %v, want a delay of 5s", got, err)
	}
	plans := s.StepPlans()
	// eyes climbs two levels; mind has one and is held at it.
	if len(plans) != 2 || plans[1].Levels[0].Value != 2.5 || plans[1].Levels[1].Value != 4 || plans[1].Name != "eyes 2.5 req/s, mind 4 users" {
		t.Errorf("steps: got %+v", plans)
	}
}

// TestFaultText holds the whole text of the faults that people meet first.
func TestFaultText(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", "    scrape:", "    scrap:", `f.yaml:10:5: unknown key "scrap" in services.eyes
      scrap: [torchserve]
      ^
  did you mean scrape? known: role, launcher, endpoint, models, workload, scrape, load, retry, timeout, warm, max_in_flight, percentiles, slo`},
		{"unit of a duration", "warmup: 1s", "warmup: 5", `f.yaml:20:17: steps.warmup has the wrong unit: say 5s
  steps: {warmup: 5, window: 2s}
                  ^
  units: ns, us, ms, s, m, h`},
		{"unit in an SLO", "300 ms", "300 mb", `f.yaml:12:22: "mb" is the wrong unit for p95
      slo: ["p95 < 300 mb"]
                       ^
  write p95 < 300 ms; units that fit: s, ms, us, min`},
		{"tab", "    endpoint: openai-chat", "\tendpoint: openai-chat", `f.yaml:16:1: a tab stands where YAML wants spaces
   endpoint: openai-chat
  ^
  indent with spaces`},
		{"duplicate key", "    workload: agent", "    workload: agent\n    role: agent", `f.yaml:19:5: the key "role" stands here a second time
      role: agent
      ^
  the first is at line 14`},
		{"type", "version: 1", "version: one", `f.yaml:1:10: version is a whole number, not the text "one"
  version: one
           ^`},
		{"argument of a kind", "delay: 5s", "dellay: 5s", `f.yaml:6:27: unknown key "dellay" in services.eyes.launcher
      launcher: {kind: sim, dellay: 5s}
                            ^
  did you mean delay? known: server, delay, sizes, labels`},
		{"layout", "4x1g.24gb]", "5x1g.24gb]", `f.yaml:22:19: layout "5x1g.24gb" is none
    layout: ["off", 5x1g.24gb]
                    ^`},
		{"missing key", "    role: agent\n", "", `f.yaml:14:5: services.mind has no role
      launcher: sim
      ^
  vision or agent`},
		{"levels", "levels: [4]", "levels: [4, 5, 6]", `f.yaml:19:38: mind has 3 levels, but eyes has 2
      load: {arrivals: closed, levels: [4, 5, 6]}
                                       ^
  give both the same count, or one level to hold a service at it`},
	} {
		_, err := Read("f.yaml", []byte(change(t, c.old, c.new)), checks())
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
	}
}

// TestFaults checks one mistake at a time: exactly one fault, at its place.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"version: 1\n", "", "1:1: the scenario has no version"},
		{"version: 1", "version: 2", "1:10: version 2 is not known"},
		{"name: small", "name: Big one", `2:7: name, "Big one", does not fit`},
		{"name: small", "name: 5", "2:7: name is text, not the number 5"},
		{"role: vision", "role: ears", `5:11: services.eyes.role "ears" is not known`},
		{"  mind:\n", "  eyes:\n", `13:3: the key "eyes" stands here a second time`},
		{"  eyes:\n", "  Eyes:\n", "4:3: a service's name"},
		{"levels: [4]", "levels: []", "19:38: services.mind.load.levels is empty"},
		{"levels: [4]", "levels: [-4]", "19:39: services.mind.load.levels are above 0, not -4"},
		{"levels: [4]", "levels: [0]", "19:39: services.mind.load.levels are above 0, not 0"},
		{"levels: [4]", "levels: [4.5]", "19:39: services.mind.load.levels are whole numbers of users"},
		{"levels: [4]", "levels: [.inf]", "19:39: services.mind.load.levels[0] is a number"},
		{"levels: [4]", "levels: [1e999]", "19:39: services.mind.load.levels[0] is a number in the range"},
		{"levels: [4]", "levels: 4", "19:38: services.mind.load.levels is a list, not the number 4"},
		{"arrivals: closed, ", "", "19:11: services.mind.load has no arrivals"},
		{"arrivals: closed", "arrivals: open", `19:22: services.mind.load.arrivals "open" is not known`},
		{"arrivals: closed", "arrivals: cameras", "19:11: services.mind.load has no fps"},
		{"arrivals: closed", "arrivals: closed, fps: 5", "19:35: services.mind.load.fps goes with cameras"},
		{"arrivals: closed", "arrivals: closed, think: -1s", "19:37: services.mind.load.think is not negative"},
		{"arrivals: poisson", "arrivals: poisson, think: 1s", "11:38: services.eyes.load: think times go with closed"},
		{"window: 2s", "window: 0s", "20:29: steps.window is above 0s"},
		{"window: 2s", "window: -2s", "20:29: steps.window is above 0s"},
		{"window: 2s", "window: 0", "20:29: steps.window has the wrong unit: say 0s"},
		{"window: 2s", "window: 2 parsecs", "20:29: steps.window is a duration"},
		{"window: 2s", "window:", "20:28: steps.window has no value"},
		{"name: small", "name: small\nreplicates: 0", "3:13: replicates is 1 to 10000, not 0"},
		{"name: small", "name: small\nseed: -1", "3:7: seed is a whole number, 0 or more"},
		{"name: small", "name: small\nseed: 99999999999999999999", "3:7: seed is too large"},
		{"name: small", "name: small\ncollect: {every: 99ms}", "3:18: collect.every is at least 100ms"},
		{"name: small", "name: small\nserver: {backend: sim, gpus: [0]}\ncollect: {dcgm: localhost:9400}", `4:17: collect.dcgm is the URL of a page, not "localhost:9400"`},
		{"name: small", "name: small\nserver: {backend: sim, gpus: [0]}\ncollect: {dcgm: http://a:b@h:9400}", "4:17: collect.dcgm holds a user name"},
		{"name: small", "name: small\ncollect: {dcgm: http://h:9400/metrics}", "3:17: collect.dcgm is there and server.gpus names none"},
		{"name: small", "name: small\ncollect: {dcgm_access: {api_key_env: X}}", "3:24: collect.dcgm_access is there and collect.dcgm is not"},
		{"name: small", "name: small\nserver: {backend: sim, gpus: [0]}\ncollect: {dcgm: http://h:9400, dcgm_access: {tls: {ca_file: x}}}", "4:45: collect.dcgm_access.tls is for an https URL"},
		{"name: small", "name: small\nserver: {backend: sim, gpus: [0]}\ncollect: {dcgm: https://h:9400, dcgm_access: {tls: {ca_file: /nowhere}}}", "4:46: collect.dcgm_access: tls: read ca_file: open /nowhere"},
		{"name: small", "name: small\nserver: {backend: sim, gpus: [0]}\ncollect: {dcgm: https://h:9400, dcgm_access: {api_key: sk}}", `4:47: unknown key "api_key" in collect.dcgm_access`},
		{"name: small", "name: small\nserver: {allow: [layouts]}", `3:18: server.allow does not know "layouts"`},
		{"name: small", "name: small\nserver: {backend: sim, allow: [drain, drain]}", "3:39: server.allow[1] repeats drain"},
		{"name: small", "name: small\nserver: {backend: sim, gpus: [0, \"0\"]}", "3:34: server.gpus repeats 0"},
		{"slo:", "percentiles: [1]\n    slo:", "12:19: services.eyes.percentiles are between 0 and 1, not 1"},
		{"slo:", "percentiles: [0]\n    slo:", "12:19: services.eyes.percentiles are between 0 and 1, not 0"},
		{"slo:", "percentiles: [95]\n    slo:", "12:19: services.eyes.percentiles are between 0 and 1, not 95"},
		{"slo:", "percentiles: [0.5, 0.5]\n    slo:", "12:24: services.eyes.percentiles repeats 0.5"},
		{"slo:", "timeout: 0s\n    slo:", "12:14: services.eyes.timeout is above 0s"},
		{"slo:", "timeout: 24h0m0.000000001s\n    slo:", "12:14: services.eyes.timeout is at most 24h0m0s, not 24h0m0.000000001s"},
		{"levels: [4]", "levels: [4], think: 2562047h", "19:50: services.mind.load.think is at most 24h0m0s, not 2562047h0m0s"},
		{"slo:", "retry: {attempts: 1, on: [shed], pause: 25h}\n    slo:", "12:45: services.eyes.retry.pause is at most 24h0m0s"},
		{"name: small", "name: small\nserver: {allow: [mps]}", "3:17: server.allow says nothing with backend none"},
		{"name: small", "name: small\nserver: {backend: none, gpus: [0]}", "3:31: server.gpus says nothing with backend none"},
		{"name: small", "name: small\ncollect: {every: 2001ms}", "3:18: collect.every is at most the window, 2s, not 2.001s"},
		{"slo:", "max_in_flight: -1\n    slo:", "12:20: services.eyes.max_in_flight is not negative"},
		{`["p95 < 300 ms"]`, `[rt: p95 < 300 ms]`, "12:11: services.eyes.slo[0] is text, not a map"},
		{"{qwen: {}}", "{}", "17:13: services.mind.models names no model"},
		{"{qwen: {}}", "{qwen: {workers: 0}}", "17:30: services.mind.models.qwen.workers is at least 1, not 0"},
		{"{qwen: {}}", "{rt: {}}", "17:14: rt has 1 workers here and 2 in another service"},
		{"{qwen: {}}", "{rt: {workers: 2, memory: 3GiB}}", "17:14: a worker of rt takes 3GiB here and untold memory in another service"},
		{"{qwen: {}}", "{qwen: {workers: two}}", "17:30: services.mind.models.qwen.workers is a whole number"},
		{"{owl: 4}", "{owk: 4}", `24:18: matrix.workers names the unknown model "owk"`},
		{"{owl: 4}", "{owl: 0}", "24:23: matrix.workers.owl is at least 1, not 0"},
		{"{owl: 4}", "{owl: 1}", "24:17: matrix.workers repeats a value"},
		{"mind.max:", "mint.max:", `25:12: matrix.params: "mint.max" names no parameter`},
		{"mind.max:", "mind.:", `25:12: matrix.params: "mind." names no parameter`},
		{"[16, 32]", "[16, 16]", "25:27: matrix.params.mind.max repeats 16"},
		{"[16, 32]", "[]", "25:22: matrix.params.mind.max is empty"},
		{"[ts, mps]", "[]", "23:12: matrix.sharing is empty"},
		{"[ts, mps]", "[ts, tz]", `23:17: sharing "tz" is none of ts, mps`},
		{"[ts, mps]", "[ts, ts]", "23:17: matrix.sharing repeats ts"},
		{"[ts, mps]", "[ts, [mps]]", "23:17: matrix.sharing[1] is one value, not a list"},
		{"[ts, mps]", "[ts, \"\"]", "23:17: matrix.sharing[1] is empty"},
		{"4x1g.24gb]", "1xoff]", "22:19: matrix.layout repeats 1xoff, which is off"},
		{"  sharing:", "  routing: [roundrobin]\n  sharing:", `23:13: unknown kind "roundrobin"; known: round-robin`},
		{"  sharing:", "  exclude: [{layout: \"on\"}]\n  sharing:", "23:13: matrix.exclude: this point matches no configuration"},
		{"  sharing:", "  exclude: [{}]\n  sharing:", "23:13: matrix.exclude has a point that tells nothing"},
		{"  sharing:", "  exclude: [{sharing: ts}, {sharing: mps}]\n  sharing:", "22:3: the matrix leaves no configuration"},
		{"  sharing:", "  include: [{sharing: mps}]\n  sharing:", "23:13: matrix.include: this point is in the matrix already"},
		{"  sharing:", "  include: [{layout: 1xoff}]\n  sharing:", "23:13: matrix.include: this point is in the matrix already"},
		{"  sharing:", "  include: [{layout: 5x}]\n  sharing:", `23:22: layout "5x" is none`},
		{"  sharing:", "  include: [{params: {mind.min: 1}}]\n  sharing:", `23:23: matrix.include.params names "mind.min"`},
		{"delay: 5s", "delay: -5s", "6:22: delay is not negative"},
		{"delay: 5s", "sizes: {width: 1, height: 2}", `6:45: unknown key "height" in services.eyes.launcher.sizes`},
		{"delay: 5s", "labels: {a: b}", `6:39: services.eyes.launcher.labels.a is a number, not the text "b"`},
		{"kind: sim, ", "", "6:15: services.eyes.launcher says no kind"},
		{"kind: sim,", "kind: slim,", `6:22: unknown kind "slim"; did you mean sim? known: sim`},
		{"    launcher: sim", "    launcher: [sim]", "15:15: services.mind.launcher is a kind, not a list"},
		{"workload: agent", "workload: &a agent", "18:15: a YAML anchor (&) is not used"},
		{"workload: agent", "workload: *a", "18:15: a YAML alias (*) is not used"},
		{"workload: agent", "workload: !!str agent", "18:15: a YAML tag (!) is not used"},
		{"steps:", "---\nsteps:", "21:1: a second YAML document begins here"},
		{"steps: {warmup: 1s, window: 2s}", "steps: {warmup: 1s", "21:1: "},
	} {
		_, err := Read("f.yaml", []byte(change(t, c.old, c.new)), checks())
		faults := Faults(err)
		if len(faults) != 1 {
			t.Errorf("%q for %q: got %d faults, want 1:\n%v", c.new, c.old, len(faults), err)
			continue
		}
		f := faults[0]
		if got := fmt.Sprintf("%d:%d: %s", f.Line, f.Column, f.Text); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q for %q: got %s, want %s", c.new, c.old, got, c.want)
		}
	}
}

func TestFaultsOfWholeFiles(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"empty", "", "1:1: the file holds no scenario"},
		{"comment", "# nothing\n", "1:1: the file holds no scenario"},
		{"scalar", "hello", "1:1: the scenario is a map"},
		{"no services", "version: 1\nname: a\nservices: {}\n", "3:11: services names no service"},
		{"just small enough", "#" + strings.Repeat("#"+strings.Repeat("x", 1022)+"\n", 1024)[1:], "1:1: the file holds no scenario"},
		{"too large", "#" + strings.Repeat(strings.Repeat("x", 1023)+"\n", 1024), "1:1: the file has 1048577 bytes"},
		{"long line", strings.Repeat("x", 4097), "1:1: this line has more than 4096 bytes"},
		{"brackets", "a: " + strings.Repeat("[", 65), "1:68: brackets are nested"},
		{"dashes", strings.Repeat("- ", 100) + "a", "1:"},
		{"many keys", strings.Repeat("a: {b: {c: 1}}\n", 7000), "6667:1: a scenario has at most 20000 keys"},
		{"bytes", "a: \xff", "1:1: this line is not UTF-8 text"},
		{"NUL", "a: \x00", "1:4: this line holds a NUL byte"},
		{"second document", "version: 1\n---\nversion: 1\n", "3:1: a second YAML document"},
		{"merge key", "<<: {version: 1}\n", "1:1: a YAML merge key"},
	} {
		_, err := Read("f.yaml", []byte(c.data), Checks{})
		faults := Faults(err)
		if len(faults) == 0 {
			t.Errorf("%s: got no fault, want %s", c.name, c.want)
			continue
		}
		if got := fmt.Sprintf("%d:%d: %s", faults[0].Line, faults[0].Column, faults[0].Text); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// A parameter is one service's: names with dots may begin each other.
func TestParameterOfTwoServices(t *testing.T) {
	_, err := Read("f.yaml", []byte(strings.ReplaceAll(small, "mind", "eyes.2")), Checks{})
	if err == nil || !strings.Contains(err.Error(), `25:12: matrix.params: "eyes.2.max" is a parameter of eyes and of eyes.2`) {
		t.Errorf("eyes and eyes.2: got %v", err)
	}
	if _, err := Read("f.yaml", []byte(strings.ReplaceAll(small, "mind", "mind.2")), Checks{}); err != nil {
		t.Errorf("a name with a dot: got %v", err)
	}
}

func TestReadBounds(t *testing.T) {
	_, err := Read("f.yaml", []byte(change(t, "[16, 32]", "["+list(1251)+"]")), Checks{})
	// 2 layouts x 2 sharings x 2 workers x 1251 values = 10008 cells.
	if err == nil || !strings.Contains(err.Error(), "more than 10000 cells") {
		t.Errorf("10008 cells: got %v", err)
	}
	if _, err := Read("f.yaml", []byte(change(t, "[16, 32]", "["+list(1250)+"]")), Checks{}); err != nil {
		t.Errorf("10000 cells: got %v", err)
	}
}

func list(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,\n    ", i)
	}
	return strings.TrimRight(b.String(), ", \n")
}

func TestAllFaultsAtOnce(t *testing.T) {
	text := strings.NewReplacer("delay: 5s", "dellay: 5s", "[ts, mps]", "[ts, tz]", "300 ms", "300", "warmup: 1s", "warmup: 1").Replace(small)
	_, err := Read("f.yaml", []byte(text), checks())
	var lines []int
	for _, f := range Faults(err) {
		lines = append(lines, f.Line)
	}
	if want := []int{6, 12, 20, 23}; !reflect.DeepEqual(lines, want) {
		t.Errorf("lines of faults: got %v, want %v:\n%v", lines, want, err)
	}
}

func TestRewrite(t *testing.T) {
	c := checks()
	c.Rewrite = func(s *Scenario) { s.Services[1].Launcher = kind.Spec{Name: "docker"} }
	_, err := Read("f.yaml", []byte(small), c)
	if f := Faults(err); len(f) != 1 || f[0].Line != 15 || !strings.Contains(f[0].Text, `"docker"`) {
		t.Errorf("a kind that was written anew is checked: got %v", err)
	}
}

// TestDecode holds what kinds rely on: defaults stay, maps are replaced and
// never written into, and decoding twice gives the same.
func TestDecode(t *testing.T) {
	s, err := Read("f.yaml", []byte(change(t, "delay: 5s", "sizes: {width: 7}, labels: {a: 1}")), checks())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := launchers.Build(s.Services[0].Launcher)
		if err != nil || got.Server != "x" || got.Sizes.Width != 7 || !reflect.DeepEqual(got.Labels, map[string]float64{"a": 1}) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if d := launchers[0].Config.(simConfig).Labels; len(d) != 1 || d["kept"] != 1 {
		t.Errorf("the defaults were changed: %v", d)
	}
	if s.Services[1].Launcher.Decode != nil {
		t.Error("a bare kind has arguments")
	}
	if err := s.Services[0].Launcher.Decode(simConfig{}); err == nil {
		t.Error("decoding into no pointer: no error")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	for _, p := range Presets() {
		data, _ := Preset(p.Name)
		f.Add(data)
	}
	f.Add([]byte(routed))
	for _, text := range []string{"", "a: &a [*a]", "? x\n: y", "- - - -", "{", "a: |\n  b", "\ufeffversion: 1", "a: 'b", "%YAML 1.2\n---\n", "version: 1\n\tname: x"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := checks()
		s, err := Read("f.yaml", data, c)
		if err != nil {
			if len(Faults(err)) == 0 {
				t.Fatalf("an error without a place: %v", err)
			}
			_ = err.Error()
			return
		}
		again, err := Read("f.yaml", s.Source, c)
		if err != nil {
			t.Fatalf("read again: %v", err)
		}
		if got, want := describe(again), describe(s); got != want {
			t.Fatalf("read again: got\n%s\nwant\n%s", got, want)
		}
	})
}

// describe writes everything but the functions of a scenario.
func describe(s *Scenario) string {
	names := func(v *kind.Spec) string {
		if v.Decode == nil {
			return v.Name
		}
		var args any
		err := v.Decode(&args)
		return fmt.Sprintf("%s %v %v", v.Name, args, err)
	}
	var b strings.Builder
	fmt.Fprintln(&b, s.Version, s.Name, s.About, names(&s.Server.Backend), s.Server.GPUs, s.Server.Allow, s.Warmup, s.Window, s.CollectEvery, s.Replicates, s.Seed)
	for _, v := range s.Services {
		fmt.Fprintln(&b, v.Name, v.Role, names(&v.Launcher), names(&v.Endpoint), names(&v.Workload), v.Models, v.Load, v.Retry, v.Timeout, v.MaxInFlight, v.Percentiles, v.SLO)
		for _, s := range v.Scrapes {
			fmt.Fprintln(&b, names(&s))
		}
	}
	for _, routing := range s.Matrix.Routings {
		spec, err := ParseRouting(routing)
		fmt.Fprintln(&b, names(&spec), err)
	}
	cells, _ := s.Cells(nil)
	fmt.Fprintln(&b, cells, s.StepPlans())
	return b.String()
}
