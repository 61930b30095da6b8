package export

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/partition"
)

// settings are the sections and keys that the files use, each
// once. (systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5).)
var settings = map[string]string{
	"Unit": "Description Wants After Before Requires",
	"Service": "Type RemainAfterExit RuntimeDirectory RuntimeDirectoryMode ExecStart ExecStop KillMode SendSIGKILL " +
		"TimeoutStartSec TimeoutStopSec EnvironmentFile PrivateTmp User",
	"Install": "WantedBy",
}

// readUnit reads a unit's file as systemd does, and takes no more than settings.
func readUnit(text string) (map[string]string, error) {
	values, section := map[string]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		key, value, assigns := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			if settings[section] == "" || line != "["+section+"]" {
				return nil, fmt.Errorf("no section is called %s", line)
			}
		case !assigns || value == "" || strings.HasSuffix(line, `\`):
			return nil, fmt.Errorf("%q sets nothing", line)
		case !slices.Contains(strings.Fields(settings[section]), key):
			return nil, fmt.Errorf("the section %q has no %s", section, key)
		case values[key] != "":
			return nil, fmt.Errorf("%s stands twice", key)
		default:
			values[key] = value
		}
	}
	return values, nil
}

// TestUnitSettings: nothing that the unit leaves is ever sent a signal, so that
// daemons outlive a stop that refused, and a restart goes on in spite of them.
func TestUnitSettings(t *testing.T) {
	for _, c := range goldens {
		files, _, err := Export(Systemd, input(t, c))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []map[string]string{
			{
				"Type": "oneshot", "RemainAfterExit": "yes", "KillMode": "process", "SendSIGKILL": "no",
				"Before": "nvidia-dcgm.service docker.service containerd.service", "RuntimeDirectory": "evabench/devices",
			},
			{"Requires": "evabench.service", "After": "evabench.service", "EnvironmentFile": "/run/evabench/devices/%i.env", "PrivateTmp": "no"},
		} {
			got, err := readUnit(string(files[i].Data))
			if err != nil {
				t.Errorf("%s: %s: %v", c.name, files[i].Name, err)
			}
			for key, value := range want {
				if got[key] != value {
					t.Errorf("%s: %s: %s is %q, want %q", c.name, files[i].Name, key, got[key], value)
				}
			}
		}
		text := string(files[0].Data)
		for _, fault := range []string{"Aftre=", "After=\nAfter=x\nAfter=", "[Srevice]\nAfter=", "word\nAfter="} {
			if _, err := readUnit(strings.Replace(text, "After=", fault, 1)); err == nil {
				t.Errorf("%s: %q was not seen", c.name, fault)
			}
		}
	}
}

// words takes a command line apart as systemd does.
func words(line string) []string {
	var list []string
	word, quoted, escaped := "", false, false
	for _, r := range line + " " {
		switch {
		case escaped:
			word, escaped = word+string(r), false
		case r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case r == ' ' && !quoted:
			list, word = append(list, word), ""
		default:
			word += string(r)
		}
	}
	return list
}

// applied reads a command line of the unit.
func applied(t *testing.T, line string) (partition.Layout, []partition.Permission) {
	t.Helper()
	list := words(line)
	l, err := partition.ParseLayout(list[3])
	if err != nil {
		t.Fatal(err)
	}
	var allow []partition.Permission
	if i := slices.Index(list, "--allow"); i >= 0 {
		for w := range strings.SplitSeq(list[i+1], ",") {
			allow = append(allow, partition.Permission(w))
		}
	}
	return l, allow
}

// TestPermissions: the unit may do what a boot makes needed, and no more; the
// words are those of package partition.
func TestPermissions(t *testing.T) {
	for _, c := range []struct{ card, layout, want string }{
		{"rtx-pro-6000-96gb", "4x1g.24gb", "layout,mode"},
		{"rtx-pro-6000-96gb", "4x1g.24gb(mps)", "layout,mode,mps"},
		{"rtx-pro-6000-96gb", "off(mps)", "mode,mps"},
		{"rtx-pro-6000-96gb", "off(ts:short)", "mode,time-slice"},
		{"a100-40gb", "7g.40gb", "layout,mode,reset"},
		{"a100-40gb", "4g.20gb(mps:50:2G)+2g.10gb/2x1c+1g.5gb", "layout,mode,reset,mps"},
	} {
		in := input(t, golden{card: c.card, layout: c.layout})
		files, _, err := Export(Systemd, in)
		if err != nil {
			t.Fatal(err)
		}
		unit, err := readUnit(string(files[0].Data))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(unit["ExecStart"], " --allow "+c.want+" --yes --permanent --env-dir /run/evabench/devices") {
			t.Errorf("%s on %s: want --allow %s in %s", c.layout, c.card, c.want, unit["ExecStart"])
		}
		layout, allow := applied(t, unit["ExecStart"])
		needed := map[partition.Permission]bool{}
		for _, mig := range []bool{false, true} { // as a boot may leave it
			p, err := partition.MakePlan(fresh(in.State, &mig), layout)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Allowed(allow); err != nil {
				t.Errorf("%s on %s: a boot with MIG %t: %v", c.layout, c.card, mig, err)
			}
			for _, n := range p.Needs() {
				needed[n] = true
			}
		}
		for _, w := range allow {
			if !needed[w] || !slices.Contains(partition.Permissions(), w) {
				t.Errorf("%s on %s: %s is allowed and never needed", c.layout, c.card, w)
			}
		}
		if (unit["ExecStop"] != "") != strings.Contains(c.layout, "mps") {
			t.Errorf("%s: ExecStop stands where there is no daemon, or does not where there is: %s", c.layout, unit["ExecStop"])
		}
		if unit["ExecStop"] != "" {
			stops(t, in.State, layout, unit["ExecStop"])
		}
	}
}

// stops tries the unit's stop where its layout stands: it ends idle daemons and
// changes nothing else, and refuses if they have clients.
func stops(t *testing.T, s partition.State, stands partition.Layout, line string) {
	t.Helper()
	p, err := partition.MakePlan(s, stands)
	if err != nil {
		t.Fatal(err)
	}
	s.GPUs = slices.Clone(s.GPUs)
	g := &s.GPUs[0]
	g.MIG.Current, g.MIG.Pending = p.Targets[0].MIG, p.Targets[0].MIG
	daemons := func(device string, clients []int) {
		s.MPS = append(s.MPS, partition.Daemon{Device: device, PID: 10 + len(s.MPS), Pipe: "/run/" + device, Own: true, Clients: clients, Settings: map[string]string{}})
	}
	build := func(clients []int) {
		s.MPS, g.Instances = nil, nil
		if p.Targets[0].Sharing.IsMPS() {
			daemons(g.UUID, clients)
		}
		for i, slot := range p.Targets[0].Slots {
			in := slot.Instance()
			in.GI = i + 1
			for k := range in.Compute {
				in.Compute[k].UUID = fmt.Sprintf("MIG-%d-%d", i, k)
				if slot.Sharing.IsMPS() {
					daemons(in.Compute[k].UUID, clients)
				}
			}
			g.Instances = append(g.Instances, in)
		}
	}
	layout, allow := applied(t, line)
	build([]int{})
	plan, err := partition.MakePlan(s, layout)
	if err != nil || len(plan.Changes) != len(s.MPS) || len(s.MPS) == 0 {
		t.Fatalf("%s: the stop makes %d changes of %d daemons: %v", stands, len(plan.Changes), len(s.MPS), err)
	}
	if err := plan.Allowed(allow); err != nil || !slices.Equal(plan.Needs(), allow) {
		t.Errorf("%s: the stop needs %v and is allowed %v: %v", stands, plan.Needs(), allow, err)
	}
	build([]int{7})
	if _, err := partition.MakePlan(s, layout); err == nil {
		t.Errorf("%s: the stop ends daemons with clients", stands)
	}
}

// headerLines gives the lines of a section of a file's header.
func headerLines(data []byte, title string) []string {
	var lines []string
	in := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "#   "); ok && in {
			lines = append(lines, text)
			continue
		}
		in = line == "# "+title
	}
	return lines
}

// TestNeedsFails: what a command may do is never left out because of an error.
func TestNeedsFails(t *testing.T) {
	e, err := newExport(DockerCompose, input(t, goldens[0]))
	if err != nil {
		t.Fatal(err)
	}
	e.State.GPUs[0].Profiles = nil // the layout has become impossible
	if text, err := e.applyCommand(); err == nil {
		t.Errorf("the command is %q without an error", text)
	}
	if err := e.compose(); err == nil {
		t.Error("compose gave no error")
	}
}

// TestComposeOrder: Docker starts nothing by itself at boot, and the instructions
// bring the layout, the UUIDs and the containers in this order.
func TestComposeOrder(t *testing.T) {
	for _, c := range goldens {
		files, _, err := Export(DockerCompose, input(t, c))
		if err != nil {
			t.Fatal(err)
		}
		use := strings.Join(headerLines(files[0].Data, "Use:"), "\n")
		at := 0
		for _, want := range []string{"evabench gpu apply", "Before=docker.service", "--to systemd", "./evabench-env.sh", "up -d"} {
			i := strings.Index(use[at:], want)
			if i < 0 {
				t.Fatalf("%s: %q is missing, or not in its place, in\n%s", c.name, want, use)
			}
			at += i
		}
		for line := range strings.Lines(string(files[0].Data)) {
			if policy, ok := strings.CutPrefix(strings.TrimSpace(line), "restart: "); ok && policy != `"no"` {
				t.Errorf("%s: Docker restarts by %s", c.name, policy)
			}
		}
		if got := strings.Count(string(files[0].Data), `    restart: "no"`); got != strings.Count(string(files[0].Data), "nvidia-cuda-mps-control -f") {
			t.Errorf("%s: %d daemons say that they are not restarted", c.name, got)
		}
	}
}

// TestDeviceFiles: what reads the devices' environments looks where they lie.
func TestDeviceFiles(t *testing.T) {
	each(t, func(t *testing.T, _ Target, _ golden, _ Input, files []File, _ []string) {
		for _, f := range files {
			text := strings.ReplaceAll(string(f.Data), "/run/evabench/devices", "")
			if strings.Contains(text, "/run/") {
				t.Errorf("%s names another folder in /run", f.Name)
			}
		}
	})
}

// TestStanding: what stands already gives its UUIDs, each compute instance its
// own, on the right GPU; what stands otherwise gives none.
func TestStanding(t *testing.T) {
	a, b := readCard(t, "a100-40gb"), readCard(t, "a30")
	b.Index = 1
	a.MIG.Current, a.MIG.Pending = true, true
	a.Instances = []partition.Instance{
		{Profile: "2g.10gb", Placement: partition.Placement{Start: 4, Size: 2}, Compute: []partition.Compute{
			{UUID: "MIG-a", Placement: partition.Placement{Start: 0, Size: 1}}, {UUID: "MIG-b", Placement: partition.Placement{Start: 1, Size: 1}},
		}},
		{Profile: "1g.5gb", Placement: partition.Placement{Start: 0, Size: 1}, Compute: []partition.Compute{{UUID: "MIG-elsewhere", Placement: partition.Placement{Size: 1}}}},
	}
	l, err := partition.ParseLayout("gpu0: 4g.20gb+2g.10gb/2x1c+1g.5gb; gpu1: off(mps)")
	if err != nil {
		t.Fatal(err)
	}
	files, _, err := Export(DockerCompose, Input{Layout: l, State: partition.State{GPUs: []partition.GPU{a, b}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(files[1].Data)) {
		if strings.HasPrefix(line, "DEVICE_") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{"DEVICE_GPU0_4G_20GB_0=", "DEVICE_GPU0_2G_10GB_4_1C_0=MIG-a", "DEVICE_GPU0_2G_10GB_4_1C_1=MIG-b", "DEVICE_GPU0_1G_5GB_6=", "DEVICE_GPU1=" + b.UUID}
	if !slices.Equal(got, want) {
		t.Errorf("the variables are %q, want %q", got, want)
	}
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestNumbered: what applies a layout at boot that names GPUs by index says which GPU each
// index was; where all are alike, indices say nothing.
func TestNumbered(t *testing.T) {
	for layout, want := range map[string]string{
		"gpu0: 4x1g.24gb(mps); gpu1: off": "--gpus 0=GPU-a,1=GPU-b ",
		"4x1g.24gb(mps)":                  "--gpus GPU-a,GPU-b ",
	} {
		in := input(t, golden{card: "rtx-pro-6000-96gb", layout: layout})
		in.State.GPUs = append(in.State.GPUs, in.State.GPUs[0])
		in.State.GPUs[0].UUID, in.State.GPUs[1].UUID, in.State.GPUs[1].Index = "GPU-a", "GPU-b", 1
		for to, applied := range map[Target]int{Systemd: 2, DockerCompose: 1} { // start and stop; a command
			files, _, err := Export(to, in)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for line := range strings.Lines(string(files[0].Data)) {
				if strings.Contains(line, "gpu apply ") && !strings.Contains(line, "gpu apply off") && strings.Contains(line, want) {
					n++
				}
			}
			if n != applied {
				t.Errorf("%s of %s: %d commands have %q, want %d:\n%s", to, layout, n, want, applied, files[0].Data)
			}
		}
	}
}
