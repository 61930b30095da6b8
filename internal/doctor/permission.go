package doctor

import (
	"context"
	"strconv"
	"strings"
)

// sysAdmin is the capability that NVML asks for where it changes MIG
// (linux/capability.h; NVIDIA MIG User Guide, Device Nodes and Capabilities).
const sysAdmin = 21

// permission tells whether this process may change GPUs. Load and reports need no
// rights.
func permission(_ context.Context, m Machine) []Finding {
	if !m.real() {
		return []Finding{ok("%s; load and reports need no root", m.why())}
	}
	status, err := m.text("proc/self/status")
	if err != nil {
		return []Finding{unknown("which rights this process has cannot be read: %v", err)}
	}
	uid, caps := -1, uint64(0)
	for line := range strings.Lines(status) {
		key, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		switch {
		case key == "Uid" && len(fields) > 1:
			if n, err := strconv.Atoi(fields[1]); err == nil { // the effective one
				uid = n
			}
		case key == "CapEff" && len(fields) > 0:
			caps, _ = strconv.ParseUint(fields[0], 16, 64) // none if it is no number
		}
	}
	var all []Finding
	may := caps>>sysAdmin&1 == 1
	switch {
	case uid == 0 && may:
		all = append(all, ok("root: may change MIG, start MPS daemons and see all processes"))
	case uid == 0:
		all = append(all, fault("docker run --privileged --pid=host …   # or start evabench on the host itself",
			"root, but without the right to administrate (CAP_SYS_ADMIN), as in a container: MIG cannot be changed"))
	default:
		all = append(all, fault("sudo -E evabench sweep …   # only changes of GPUs take root: run, report, compare and gate do not",
			"user %d may not change GPUs, and does not see the processes of others", uid))
	}
	if m.GPUs.Blind != "" {
		all = append(all, fault("docker run --pid=host …   # or start evabench on the host itself, as root", "%s", m.GPUs.Blind))
	}
	return all
}
