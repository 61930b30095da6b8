package supervise

import (
	"os"
	"os/exec"
	"testing"
)

// TestEnded: of a process that /proc does not show, as with hidepid=2 another
// user's, the kernel tells whether it is there.
func TestEnded(t *testing.T) {
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	self, _ := readProc(os.Getpid())
	for _, c := range []struct {
		what string
		of   proc
		now  proc
		seen bool
		want bool
	}{
		{"it is there", self, self, true, false},
		{"it is there and hidden", self, proc{}, false, false},
		{"it is another's number", self, proc{pid: self.pid, begin: "1"}, true, true},
		{"it is a zombie", self, proc{pid: self.pid, begin: self.begin, zombie: true}, true, true},
		{"it is not there", proc{pid: dead.Process.Pid, begin: "1"}, proc{}, false, true},
	} {
		if got := c.of.over(c.now, c.seen); got != c.want {
			t.Errorf("%s: it has ended: %v, want %v", c.what, got, c.want)
		}
	}
}
