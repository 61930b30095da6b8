package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Docker is what a container engine tells of itself.
type Docker struct {
	Version  string   // of the daemon
	Runtimes []string // such as runc, nvidia
}

// ErrDenied is what a Docker error wraps if the engine runs and this user may not
// talk to it.
var ErrDenied = errors.New("permission denied")

// How the parts of it are got. (NVIDIA Container Toolkit, Installing; Docker
// Engine, Post-installation steps.)
const (
	getDocker  = "sudo apt-get install -y docker.io   # only services with launcher docker need it"
	runDocker  = "sudo systemctl start docker"
	mayDocker  = "sudo usermod -aG docker $USER && newgrp docker   # or run evabench as root"
	getToolkit = "sudo apt-get install -y nvidia-container-toolkit && sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"
)

// hook is the program that gives a container of --gpus its devices.
const hook = "nvidia-container-runtime-hook"

func docker(ctx context.Context, m Machine) []Finding {
	programs := m.Needs.Docker
	if m.Needs.Known && len(programs) == 0 {
		return []Finding{ok("not needed: the scenario starts no container")}
	}
	if m.Simulated != "" && !m.Needs.Known {
		return []Finding{ok("not needed: simulated services are processes of evabench")}
	}
	missing := fault
	if !m.Needs.Known {
		programs, missing = []string{"docker"}, warn
	}
	var all []Finding
	for _, program := range programs {
		all = append(all, m.engine(ctx, program, missing))
	}
	if slices.ContainsFunc(all, func(f Finding) bool { return f.Level == Warning || f.Level == Fault }) || m.Needs.Known && !m.Needs.NVIDIA {
		return all
	}
	if path, err := m.Look(hook); err == nil {
		return append(all, ok("NVIDIA's container toolkit is %s", path))
	}
	return append(all, missing(getToolkit, "%s is not in PATH: containers get no GPU", hook))
}

// engines are the programs that are run to ask them. A scenario may name any other,
// and to look at it is no leave to run what it names, least of all as root.
var engines = []string{"docker", "podman", "nerdctl"}

// engine asks one.
func (m Machine) engine(ctx context.Context, program string, missing func(string, string, ...any) Finding) Finding {
	path, err := m.Look(program)
	if err != nil {
		remedy := getDocker
		switch {
		case !slices.Contains(engines, program):
			remedy = "command -v " + quoted(program) + "   # install it, or name docker, podman or nerdctl in the launcher's command"
		case program != "docker":
			remedy = fmt.Sprintf("sudo apt-get install -y %s   # or name another in the launcher's command", program)
		}
		return missing(remedy, "there is no %s in PATH", program)
	}
	if !slices.Contains(engines, program) {
		return unknown("%s is there (%s), and is not asked: only docker, podman and nerdctl are, by these names", program, path)
	}
	d, err := m.Docker(ctx, program)
	switch {
	case errors.Is(err, ErrDenied):
		return missing(mayDocker, "%s runs, and this user may not talk to it: %v", program, err)
	case err != nil:
		return missing(strings.Replace(runDocker, "docker", program, 1), "%s does not answer: %v", program, err)
	}
	return ok("%s %s, runtimes %s", program, d.Version, strings.Join(d.Runtimes, ", "))
}
