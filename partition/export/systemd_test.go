package export

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSystemdVerify lets systemd itself read the units, where it is installed.
// Where it is not, nothing is lost but a second opinion: TestUnitSettings reads
// the same files strictly on every machine.
func TestSystemdVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Logf("the units were not verified: %v", err)
		return
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range goldens {
		in := input(t, c)
		in.Program = program // verify looks whether it is there
		files, _, err := Export(Systemd, in)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		write(t, dir, "worker@.service", []byte("[Service]\nExecStart=/bin/true\n"))
		for _, f := range files {
			write(t, dir, f.Name, f.Data)
		}
		verify := func() (string, error) {
			instance := mustUnits(t, in)[0].file()
			cmd := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, "evabench.service"), filepath.Join(dir, "worker@"+instance+".service"))
			cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		if out, err := verify(); err != nil || strings.Contains(out, dir) {
			t.Errorf("%s: %v: %s", c.name, err, out)
		}
		for _, f := range files { // a fault in either file is seen
			write(t, dir, f.Name, bytes.Replace(f.Data, []byte("After="), []byte("Aftre="), 1))
			if out, _ := verify(); !strings.Contains(out, "Aftre") {
				t.Errorf("%s: a fault in %s was not seen: %s", c.name, f.Name, out)
			}
			write(t, dir, f.Name, f.Data)
		}
	}
}

// TestCommand: what systemd would take apart or replace is quoted.
func TestCommand(t *testing.T) {
	for _, c := range []struct {
		arg, want string
	}{
		{"4x1g.24gb+1g.24gb", "4x1g.24gb+1g.24gb"},
		{"gpu0: off(mps:50); gpu1: off", `"gpu0: off(mps:50); gpu1: off"`},
		{`/opt/100% $a "b"\evabench`, `"/opt/100%% $$a \"b\"\\evabench"`},
	} {
		if got := command([]string{c.arg, "x"}); got != c.want+" x" {
			t.Errorf("%s: got %s, want %s x", c.arg, got, c.want)
		}
	}
}

// TestWorkerInstance: a unit's name holds no plus sign.
func TestWorkerInstance(t *testing.T) {
	files, _, err := Export(Systemd, input(t, golden{card: "rtx-pro-6000-96gb", layout: "1g.24gb+me+1g.24gb"}))
	if err != nil {
		t.Fatal(err)
	}
	text := string(files[1].Data)
	for _, want := range []string{"EnvironmentFile=/run/evabench/devices/%I.env", "worker@$(systemd-escape gpu0-1g.24gb+me-"} {
		if !strings.Contains(text, want) {
			t.Errorf("the drop-in does not say %q:\n%s", want, text)
		}
	}
}

// TestProductName: a card cannot write lines of its own into a file.
func TestProductName(t *testing.T) {
	in := input(t, goldens[0])
	in.State.GPUs[0].Name = "card\n[Service]\nExecStart=/bin/false\u2028x"
	for _, to := range Targets() {
		files, _, err := Export(to, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.Contains(string(f.Data), "# GPU 0: card [Service] ExecStart=/bin/false x,") {
				t.Errorf("%s: %s does not keep the name within its line", to, f.Name)
			}
		}
	}
}
