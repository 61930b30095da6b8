package doctor

import (
	"cmp"
	"context"
	"strings"

	"github.com/evabench/evabench/internal/mps"
)

// server is the program that a control daemon starts for its clients.
const server = "nvidia-cuda-mps-server"

// getMPS installs both programs, which belong to the driver. (Ubuntu and Debian
// name the package by the driver's branch.)
const getMPS = "sudo apt-get install -y nvidia-compute-utils-BRANCH   # BRANCH as of the driver: 580 of 580.95.05; or leave sharing mps out of the matrix"

func mpsPrograms(_ context.Context, m Machine) []Finding {
	if !m.real() {
		return []Finding{ok("%s", m.why())}
	}
	var all []Finding
	var missing []string
	for _, program := range []string{mps.Name, server} {
		path, err := m.Look(program)
		switch {
		case err != nil:
			missing = append(missing, program)
		case program == mps.Name:
			all = append(all, ok("%s is %s", program, path))
		}
	}
	if len(missing) > 0 {
		remedy := getMPS
		if branch, _, ok := strings.Cut(m.GPUs.System.Driver, "."); ok {
			remedy = strings.ReplaceAll(remedy, "BRANCH   # BRANCH as of the driver: 580 of 580.95.05;", branch+"   # Ubuntu, Debian;")
		}
		all = append(all, warn(remedy, "%s not in PATH: no configuration with sharing mps can run", notThere(missing)))
	}
	for _, d := range m.GPUs.MPS {
		if d.Own || d.Clients == nil || len(d.Clients) > 0 {
			continue // ours; or refused, as change tells
		}
		remedy := cmp.Or(d.Keeper, "echo quit | sudo env CUDA_MPS_PIPE_DIRECTORY="+quoted(cmp.Or(d.Pipe, mps.DefaultPipe))+" "+mps.Name+"   # or allow: [drain], which starts it again afterwards")
		all = append(all, warn(remedy, "an MPS daemon of user %d runs (pid %d) and has no client: configurations on its device need it gone", d.UID, d.PID))
	}
	return all
}

// notThere says which programs are missing.
func notThere(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names, " and ") + " are"
}
