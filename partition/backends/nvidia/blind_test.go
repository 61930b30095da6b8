package nvidia

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/partition"
)

// self makes this process's own entry in a made-up /proc.
func (m made) self(namespace string, capabilities uint64) {
	m.t.Helper()
	m.file("proc/self/status", fmt.Sprintf("Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t%016x\n", capabilities))
	m.file("proc/self/mountinfo", "30 1 0:26 / / rw - ext4 /dev/sda1 rw\n22 30 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n")
	dir := filepath.Join(m.root, "proc/self/ns")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink(namespace, filepath.Join(dir, "pid")); err != nil {
		m.t.Fatal(err)
	}
}

// TestBlind: what hides the host's processes is told, and nobody takes an empty list for
// a fact.
func TestBlind(t *testing.T) {
	hidden := func(option string) string {
		return "30 1 0:26 / / rw - ext4 /dev/sda1 rw\n22 30 0:21 / /proc rw,nosuid shared:12 - proc proc rw," + option + "\n"
	}
	for _, tt := range []struct {
		name, namespace, mounts string
		capabilities            uint64
		want                    string // empty: not blind
	}{
		{"host", initialPIDs, "", 0, ""},
		{"container", "pid:[4026532281]", "", 1 << 19, "pid=host"},
		{"hidden", initialPIDs, hidden("gid=3,hidepid=2"), 1 << 18, "hidepid=2"},
		{"hidden, in words", initialPIDs, hidden("hidepid=invisible"), 0, "hidepid=invisible"},
		{"hidden, root", initialPIDs, hidden("hidepid=2"), 1 << 19, ""},
		{"not hidden", initialPIDs, hidden("hidepid=0"), 0, ""},
		{"mounted over", initialPIDs, hidden("hidepid=2") + "50 30 0:30 / /proc rw - proc proc rw\n", 0, ""},
	} {
		m := made{t, t.TempDir()}
		m.self(tt.namespace, tt.capabilities)
		if tt.mounts != "" {
			m.file("proc/self/mountinfo", tt.mounts)
		}
		got := Proc{Root: m.root}.Blind()
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: blind for %q, want %q", tt.name, got, tt.want)
		}
		r := newRig(t, a30)
		s, err := r.over(Options{Host: Proc{Root: m.root}}).Inspect(t.Context(), []string{"0"})
		if err != nil || s.Blind != got {
			t.Errorf("%s: inspected as blind for %q, %v, want %q", tt.name, s.Blind, err, got)
		}
	}
	m := made{t, t.TempDir()}
	m.file("proc/uptime", "1 2\n")
	if got := (Proc{Root: m.root}).Blind(); !strings.Contains(got, "unknown") {
		t.Errorf("a /proc that does not tell is blind for %q", got)
	}
	// Not root: others' open files cannot be read. (A file in the place of the folder,
	// as root may read any folder.)
	m.self(initialPIDs, 0)
	m.file("proc/14/fd", "")
	s, err := newRig(t, a30).over(Options{Host: Proc{Root: m.root}}).Inspect(t.Context(), []string{"0"})
	if err != nil || !strings.Contains(s.Blind, "1 processes could not be read") {
		t.Errorf("unreadable open files: blind for %q, %v", s.Blind, err)
	}
}

// A node is a device file as stat tells of it.
type node struct {
	name         string
	major, minor uint64
	char         bool
}

func (n node) Name() string       { return n.name }
func (n node) Size() int64        { return 0 }
func (n node) ModTime() time.Time { return time.Time{} }
func (n node) IsDir() bool        { return false }
func (n node) Sys() any {
	return &syscall.Stat_t{Rdev: n.major<<8&0xfff00 | n.minor&0xff | n.minor&^0xff<<12}
}

func (n node) Mode() fs.FileMode {
	if n.char {
		return fs.ModeDevice | fs.ModeCharDevice
	}
	return 0
}

// TestHoldersByNumber: the device's numbers decide, whatever its name; only what may be
// a device is looked at.
func TestHoldersByNumber(t *testing.T) {
	m := made{t, t.TempDir()}
	m.file("proc/devices", "Character devices:\n  1 mem\n195 nvidia\n234 nvidia-caps\n\nBlock devices:\n  8 sd\n")
	m.file("proc/driver/nvidia-caps/mig-minors", "gpu7/gi1/access 12\n")
	m.process(10, "x\x00", "/driver-root/dev/nvidia0", "/dev/gpu", "/dev/nvidiactl", "/dev/null", "/run/nvidia/cap", "/mnt/nfs/file", "socket:[1]", "/dev/nvidia4")
	stats := map[string]node{
		"0": {"nvidia0", 195, 3, true}, // under a name of the container's
		"1": {"gpu", 195, 300, true}, "2": {"nvidiactl", 195, 255, true}, "3": {"null", 1, 3, true},
		"4": {"cap", 234, 12, true},
	}
	p := Proc{Root: m.root, stat: func(path string) (fs.FileInfo, error) {
		n, ok := stats[filepath.Base(path)]
		switch filepath.Base(path) {
		case "5", "6":
			t.Errorf("%s was looked at", path)
		}
		if !ok {
			return nil, fs.ErrPermission
		}
		return n, nil
	}}
	got, err := p.Holders()
	holder := []partition.Holder{{PID: 10, Name: "x", UID: 1000}}
	if want := map[int][]partition.Holder{3: holder, 7: holder, 4: holder}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Holders() = %v, %v, want %v", got, err, want)
	}
}
