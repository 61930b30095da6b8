package export

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/migparted"
)

var update = flag.Bool("update", false, "write testdata anew")

// A golden is a layout on a card, exported for every target.
type golden struct {
	name, card, layout string
	state              func(*partition.State) // what is special about the server
}

var goldens = []golden{
	{"mig-mps", "rtx-pro-6000-96gb", "4x1g.24gb(mps)", stands},
	{"whole-mps", "rtx-pro-6000-96gb", "off(mps:50)", func(s *partition.State) { s.System.Simulated = true }},
	{"cut", "a100-40gb", "4g.20gb(mps:50:2G)+2g.10gb/2x1c+1g.5gb", func(s *partition.State) {
		s.GPUs[0].Profiles[0].Assumed = true // 1g.5gb
	}},
}

// stands has the layout 4x1g.24gb already, with UUIDs.
func stands(s *partition.State) {
	g := &s.GPUs[0]
	g.MIG.Current, g.MIG.Pending = true, true
	for i := range 4 {
		g.Instances = append(g.Instances, partition.Instance{
			GI: 3 + i, Profile: "1g.24gb", Placement: partition.Placement{Start: 3 * i, Size: 3},
			Compute: []partition.Compute{{Placement: partition.Placement{Start: 0, Size: 1}, UUID: fmt.Sprintf("MIG-0000000%d-0000-5000-8000-000000000000", i)}},
		})
	}
	g.Processes = []partition.Process{{PID: 1, Device: g.Instances[0].Compute[0].UUID}} // not in the way of a file
}

func input(t testing.TB, c golden) Input {
	t.Helper()
	l, err := partition.ParseLayout(c.layout)
	if err != nil {
		t.Fatal(err)
	}
	s := partition.State{GPUs: []partition.GPU{readCard(t, c.card)}}
	if c.state != nil {
		c.state(&s)
	}
	return Input{Layout: l, State: s}
}

// readCard reads a card that package partition keeps for its tests.
func readCard(t testing.TB, name string) partition.GPU {
	t.Helper()
	data, err := os.ReadFile("../testdata/cards/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var g partition.GPU
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return g
}

// each calls f with every export of the goldens.
func each(t *testing.T, f func(t *testing.T, to Target, c golden, in Input, files []File, warnings []string)) {
	for _, to := range Targets() {
		for _, c := range goldens {
			t.Run(string(to)+"-"+c.name, func(t *testing.T) {
				in := input(t, c)
				files, warnings, err := Export(to, in)
				if err != nil {
					t.Fatal(err)
				}
				if len(files) == 0 {
					t.Fatal("no file")
				}
				f(t, to, c, in, files, warnings)
			})
		}
	}
}

func TestGolden(t *testing.T) {
	each(t, func(t *testing.T, to Target, c golden, _ Input, files []File, warnings []string) {
		var b bytes.Buffer
		for _, w := range warnings {
			fmt.Fprintf(&b, "warning: %s\n", w)
		}
		for _, f := range files {
			fmt.Fprintf(&b, "-- %s %o --\n%s", f.Name, f.Mode, f.Data)
		}
		path := filepath.Join("testdata", string(to)+"-"+c.name+".golden")
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("the files differ from %s; if that is meant, run with -update and read the difference. Got:\n%s", path, b.Bytes())
		}
	})
}

// TestYAML reads every YAML file back, and the mig-parted configurations in them
// as what they are for.
func TestYAML(t *testing.T) {
	read := 0
	each(t, func(t *testing.T, to Target, c golden, in Input, files []File, _ []string) {
		for _, f := range files {
			if !strings.HasSuffix(f.Name, ".yaml") {
				continue
			}
			var tree map[string]any
			if err := yaml.Unmarshal(f.Data, &tree); err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			switch {
			case to == MIGParted:
				checkConfig(t, in, f.Data)
			case tree["kind"] == "ConfigMap":
				for key, text := range tree["data"].(map[string]any) {
					if key == "config.yaml" {
						checkConfig(t, in, []byte(text.(string)))
						continue
					}
					var plugin map[string]any
					if err := yaml.Unmarshal([]byte(text.(string)), &plugin); err != nil || plugin["version"] != "v1" || plugin["sharing"] == nil {
						t.Errorf("%s: the device plugin's file is %v, %v", f.Name, plugin, err)
					}
				}
			case to == DockerCompose:
				services := tree["services"].(map[string]any)
				for _, u := range mustUnits(t, in) {
					if services["check-"+u.slug()] == nil || (services["mps-"+u.slug()] != nil) != u.sharing.IsMPS() {
						t.Errorf("%s: the services of %s are wrong", f.Name, u.name)
					}
				}
			}
			read++
		}
	})
	if read < 8 {
		t.Errorf("only %d YAML files were read", read)
	}
}

func mustUnits(t testing.TB, in Input) []unit {
	t.Helper()
	e, err := newExport(MIGParted, in)
	if err != nil {
		t.Fatal(err)
	}
	return e.devices
}

func checkConfig(t *testing.T, in Input, data []byte) {
	t.Helper()
	f, err := migparted.Read("export", data)
	if err != nil {
		t.Fatal(err)
	}
	g := in.State.GPUs[0]
	l, err := f.Layout("evabench", []migparted.GPU{{Index: g.Index, PCIDevice: g.PCIDevice}})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, term := range in.Layout.GPUs[0].Terms {
		want = append(want, strings.Split(term.String(), "(")[0])
	}
	if got := l.String(); got != strings.Join(want, "+") {
		t.Errorf("the configuration is %q, want %q", got, strings.Join(want, "+"))
	}
}

// TestHeaders: every file says what made it, of what, and how to undo it, and in
// one of the files all that is warned of.
func TestHeaders(t *testing.T) {
	each(t, func(t *testing.T, to Target, c golden, in Input, files []File, warnings []string) {
		all := ""
		for _, f := range files {
			text := string(f.Data)
			all += text
			for _, want := range []string{"# Made by evabench: gpu export", in.State.GPUs[0].Name, in.State.GPUs[0].UUID, "# Undo:", in.Layout.String()} {
				if !strings.Contains(text, want) {
					t.Errorf("%s does not say %q", f.Name, want)
				}
			}
			if in.State.System.Simulated != strings.Contains(text, "# SIMULATED:") {
				t.Errorf("%s: simulated is %t, and the file says otherwise", f.Name, in.State.System.Simulated)
			}
			if (c.name == "cut") != strings.Contains(text, "# ASSUMED: nobody recorded all values of 1g.5gb") {
				t.Errorf("%s: what is assumed is not said, or is said and not so", f.Name)
			}
		}
		for _, w := range warnings {
			if !strings.Contains(all, w) {
				t.Errorf("no file says %q", w)
			}
		}
	})
}

func TestExportRefuses(t *testing.T) {
	in := input(t, goldens[0])
	with := func(change func(*Input)) Input {
		i := in
		i.State.GPUs = slices.Clone(in.State.GPUs)
		change(&i)
		return i
	}
	layout := func(text string) func(*Input) {
		return func(i *Input) {
			l, err := partition.ParseLayout(text)
			if err != nil {
				t.Fatal(err)
			}
			i.Layout = l
		}
	}
	noUUID := func(i *Input) { i.State.GPUs[0].UUID = "" }
	for _, c := range []struct {
		to   Target
		in   Input
		want string
	}{
		{"slurm", in, `no export for "slurm"; known: [mig-parted systemd docker-compose k8s]`},
		{Systemd, with(func(i *Input) { i.Name = "a b" }), `the name "a b"`},
		{Systemd, with(func(i *Input) { i.Name = strings.Repeat("a", 41) }), "at most 40"},
		{Systemd, with(func(i *Input) { i.Program = "evabench" }), "not an absolute path"},
		{Kubernetes, with(func(i *Input) { i.Replicas = -1 }), "-1 replicas"},
		{Systemd, with(layout("5x1g.24gb")), "has room for 4"},
		{Systemd, with(noUUID), "GPU 0 is a card of the built-in table"},
		{Kubernetes, with(layout("off(mps)")), "say --replicas"},
		{Kubernetes, with(func(i *Input) {
			i.State.GPUs = append(i.State.GPUs, readCard(t, "a30"))
			i.State.GPUs[1].Index = 1
			layout("gpu0: 4x1g.24gb; gpu1: off(mps:50)")(i)
		}), "does not support MPS on a node with MIG"},
		{Kubernetes, with(func(i *Input) { i.State.GPUs[0].MIG = partition.Mode{}; layout("off")(i) }), "nothing to configure"},
		{Kubernetes, with(layout("off")), "mig.config=all-disabled"},
	} {
		files, _, err := Export(c.to, c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) || files != nil {
			t.Errorf("%s: got %v, %d files; want %q", c.to, err, len(files), c.want)
		}
	}
}

// TestReplicas: what pods share is what the layout says, or what is asked for.
func TestReplicas(t *testing.T) {
	for _, c := range []struct {
		layout   string
		replicas int
		want     string // of the device plugin's file; empty: there is none
		warns    string
	}{
		{"off(mps:25)", 0, "mps nvidia.com/gpu 4", "part of the memory"},
		{"off(mps)", 3, "mps nvidia.com/gpu 3", "3 clients to 33 %"},
		{"off(mps:50)", 4, "mps nvidia.com/gpu 4", "4 clients to 25 %"},
		{"off(ts:short)", 2, "timeSlicing nvidia.com/gpu 2", "gpu0 (ts:short): the device plugin does not set time slices"},
		{"1g.24gb+me", 2, "timeSlicing nvidia.com/mig-1g.24gb.me 2", "places"},
		{"4x1g.24gb(mps)", 2, "", "time-slicing in their place"},
		{"2g.48gb/2x1c", 2, "", "no part of an instance"},
	} {
		in := input(t, golden{card: "rtx-pro-6000-96gb", layout: c.layout})
		in.Replicas = c.replicas
		files, warnings, err := Export(Kubernetes, in)
		if err != nil {
			t.Errorf("%s: %v", c.layout, err)
			continue
		}
		got := ""
		for _, f := range files {
			if strings.HasSuffix(f.Name, "-device-plugin.yaml") {
				got = pluginShares(t, f.Data)
			}
		}
		if got != c.want || !strings.Contains(strings.Join(warnings, "\n"), c.warns) {
			t.Errorf("%s with %d replicas: got %q, %q; want %q, %q", c.layout, c.replicas, got, warnings, c.want, c.warns)
		}
	}
}

func pluginShares(t *testing.T, data []byte) string {
	t.Helper()
	var m struct{ Data map[string]string }
	var plugin struct {
		Sharing map[string]struct {
			Resources []struct {
				Name     string
				Replicas int
			}
		}
	}
	if err := yaml.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(m.Data["evabench"]), &plugin); err != nil {
		t.Fatal(err)
	}
	var words []string
	for kind, s := range plugin.Sharing {
		for _, r := range s.Resources {
			words = append(words, fmt.Sprint(kind, " ", r.Name, " ", r.Replicas))
		}
	}
	return strings.Join(words, "; ")
}

// TestEnvScript runs the script that fills in the UUIDs.
func TestEnvScript(t *testing.T) {
	in := input(t, goldens[2]) // nothing stands: the variables are empty
	files, _, err := Export(DockerCompose, in)
	if err != nil {
		t.Fatal(err)
	}
	dir, from := t.TempDir(), t.TempDir()
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
	env := filepath.Join(dir, "evabench.env")
	before, err := os.ReadFile(env)
	if err != nil || !strings.Contains(string(before), "\nDEVICE_GPU0_2G_10GB_4_1C_1=\n") {
		t.Fatalf("the file of variables is %q, %v", before, err)
	}
	script := filepath.Join(dir, "evabench-env.sh")
	if out, err := exec.Command(script, from).CombinedOutput(); err == nil {
		t.Fatalf("the script went well without the devices' files: %s", out)
	}
	if after, err := os.ReadFile(env); err != nil || !bytes.Equal(after, before) {
		t.Fatalf("a script that ended with a fault changed the variables to %q, %v", after, err)
	}
	var want []string
	for _, u := range mustUnits(t, in) {
		if err := os.WriteFile(filepath.Join(from, u.file()+".env"), []byte("A=b\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(script, from).CombinedOutput(); err == nil || !strings.Contains(string(out), "names no device") {
		t.Fatalf("the script went well without UUIDs: %s", out)
	}
	for i, u := range mustUnits(t, in) {
		uuid := fmt.Sprintf("MIG-%d", i)
		want = append(want, u.variable()+"="+uuid)
		text := "CUDA_MPS_PIPE_DIRECTORY=/p\nCUDA_VISIBLE_DEVICES=" + uuid + "\n"
		if err := os.WriteFile(filepath.Join(from, u.file()+".env"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(script, from).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	after, err := os.ReadFile(env)
	if got := strings.Fields(string(after)); err != nil || !slices.Equal(got, want) {
		t.Errorf("the variables are %q, %v; want %q", got, err, want)
	}
}
