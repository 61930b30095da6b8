package export

import (
	"strings"
	"testing"
)

// TestMIGPartedSkipsReset: mig-parted resets every GPU of the host, also those that the file
// does not name, while a change of a mode is pending, unless it is told not to.
func TestMIGPartedSkipsReset(t *testing.T) {
	for _, c := range goldens {
		in := input(t, c)
		files, _, err := Export(MIGParted, in)
		if err != nil {
			t.Fatal(err)
		}
		text := string(files[0].Data)
		for line := range strings.Lines(text) {
			if strings.Contains(line, "nvidia-mig-parted apply") && !strings.Contains(line, " --skip-reset") {
				t.Errorf("%s: %q resets every GPU", c.name, line)
			}
		}
		alone := "nvidia-smi -i " + in.State.GPUs[0].UUID + " --gpu-reset"
		if got := strings.Contains(text, alone); got != in.State.GPUs[0].MIG.Resets {
			t.Errorf("%s: says %q: %t, want %t:\n%s", c.name, alone, got, in.State.GPUs[0].MIG.Resets, text)
		}
	}
}
