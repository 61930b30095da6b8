package nvidia

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// initialPIDs is the PID namespace of the host itself: its number is the same on every
// Linux (PROC_PID_INIT_INO in linux/proc_ns.h).
const initialPIDs = "pid:[4026531836]"

// Blind looks for a PID namespace of our own, whose /proc has our own processes alone,
// and for a /proc that hides those of other users.
func (p Proc) Blind() string {
	own, err := os.Readlink(p.path("proc/self/ns/pid"))
	if err != nil {
		return fmt.Sprintf("whether all processes of this host show in /proc is unknown (%v)", err)
	}
	if own != initialPIDs {
		return "this process is in a container, whose /proc shows none of the host's other processes (" + own + " is not the host's); " +
			"start it on the host, or with the host's PIDs (docker run --pid=host, Kubernetes hostPID: true)"
	}
	mounts, err := os.ReadFile(p.path("proc/self/mountinfo"))
	if err != nil {
		return fmt.Sprintf("whether /proc hides processes is unknown (%v)", err)
	}
	if option := hides(string(mounts)); option != "" && !p.mayTrace() {
		return "/proc hides the processes of other users (mounted with " + option + "); run as root"
	}
	return ""
}

// hides finds the option of /proc that hides processes, empty if there is none.
// (proc(5): hidepid=1, 2 and 4, in newer words noaccess, invisible and ptraceable.)
func hides(mountinfo string) string {
	found := ""
	for line := range strings.Lines(mountinfo) {
		// id parent device root point options… - type source super-options
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[4] != "/proc" {
			continue
		}
		found = "" // a later mount lies over it
		for option := range strings.SplitSeq(fields[len(fields)-1], ",") {
			value, ok := strings.CutPrefix(option, "hidepid=")
			if ok && value != "0" && value != "off" {
				found = option
			}
		}
	}
	return found
}

// sysPtrace is the capability that sees through hidepid (linux/capability.h).
const sysPtrace = 19

// mayTrace reports whether this process may look into all others.
func (p Proc) mayTrace() bool {
	status, err := os.ReadFile(p.path("proc/self/status"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return err == nil && caps>>sysPtrace&1 == 1
		}
	}
	return false
}
