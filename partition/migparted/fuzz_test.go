package migparted

import (
	"os"
	"strings"
	"testing"

	"github.com/evabench/evabench/partition"
)

// FuzzRead: a file is refused with faults that have places, or every
// configuration of it gives a layout whose text reads back, or an error.
func FuzzRead(f *testing.F) {
	data, err := os.ReadFile("testdata/config-default.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:600])
	f.Add([]byte("version: v1\nmig-configs:\n  a:\n    - {device-filter: [\"0x20B510DE\"], devices: [0, 1], mig-enabled: true, mig-devices: {1c.3g.40gb: 3, 1g.10gb+me: 1}}\n"))
	f.Add([]byte(`{"version": "v1", "mig-configs": {"a": [{"devices": "all", "mig-enabled": false}]}}`))
	f.Add([]byte("version: v1\nmig-configs: &a {<<: *a}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Read("f", data)
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "f:") {
					t.Fatalf("a fault without a place: %q", line)
				}
			}
			return
		}
		for _, name := range file.Names() {
			l, err := file.Layout(name, []GPU{{0, 0x20B510DE}, {1, 0x2BB510DE}})
			if err != nil {
				continue
			}
			back, err := partition.ParseLayout(l.String())
			if err != nil || back.String() != l.String() {
				t.Fatalf("the layout %q reads back as %q, %v", l, back, err)
			}
		}
	})
}
