package export

import (
	"fmt"
	"strings"

	"github.com/evabench/evabench/internal/device"
)

// compose writes a Compose file with one MPS daemon for each device that has
// one, a block for the workers of each device, the file of variables with the
// devices' UUIDs, and a script that refreshes it.
//
// Note: restart: unless-stopped was tried. Docker then starts the containers at
// boot with the UUIDs of the last one, before the layout stands. on-failure does
// the same after a host that went down hard (moby/moby issue 47846).
func (e *export) compose() error {
	apply, err := e.applyCommand()
	if err != nil {
		return err
	}
	e.lack("the GPUs' instances: containers cannot make them; see the command in %s", e.composeName())
	off, err := e.turnOff()
	if err != nil {
		return err
	}
	missing := 0
	for _, u := range e.devices {
		if u.uuid == "" {
			missing++
		}
	}
	if missing > 0 {
		e.lack("UUIDs of %d devices that do not stand now: their variables are empty until %s is run", missing, e.envScript())
	}
	up := "docker compose --env-file " + e.envName() + " -f " + e.composeName()
	e.undo = append([]string{up + " down --volumes"}, off...)
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\n", e.Name)
	for _, u := range e.devices {
		b.WriteString(u.block(e.workerUID()))
	}
	b.WriteString("\nservices:\n")
	volumes := ""
	for _, u := range e.devices {
		if u.sharing.IsMPS() {
			b.WriteString(u.daemon())
			volumes += fmt.Sprintf("  mps-%s:\n", u.slug())
		}
		fmt.Fprintf(&b, "  check-%[1]s:\n    <<: *%[1]s\n    image: ${EVABENCH_IMAGE:-ubuntu:24.04}\n    profiles: [check]\n    command: [nvidia-smi, -L]\n", u.slug())
	}
	if volumes != "" {
		b.WriteString("\nvolumes:\n" + volumes)
	}
	e.add(e.composeName(), 0o644, e.composeUse(apply, up), b.String())
	e.variables()
	return nil
}

// composeUse tells how to use the file; apply makes the layout, and up is Docker's
// command line without its verb.
func (e *export) composeUse(apply, up string) []string {
	about := []string{
		"After each boot, in this order:",
		"  1. the layout, before anything starts on the GPUs: by hand",
		"     " + apply,
		"     or by a unit that stands before docker.service (it says Before=docker.service), made by",
		fmt.Sprintf("     evabench gpu export '%s' --to systemd --gpus %s --name %s --out DIR", e.withoutMPS(), e.named(), e.Name),
		"  2. ./" + e.envScript() + "    # UUIDs of MIG devices may be others now",
		"  3. " + up + " --profile check up    # each device once, by nvidia-smi; then",
		"     " + up + " up -d",
		"Docker starts nothing of it by itself (restart: \"no\"): at boot that would be with the last boot's UUIDs.",
		"Leave restart out for your workers, too.",
		"Add your workers below services:, on the block of their device; see check-… there.",
		"It needs the NVIDIA Container Toolkit and its runtime nvidia.",
	}
	if e.mps() {
		about = append(about,
			fmt.Sprintf("All workers of a device run as one user, EVABENCH_UID (%s unless set): MPS serves one user at a time.", e.workerUID()),
			"They share /dev/shm with their daemon (ipc), and the GPUs keep compute mode default.",
			"The daemons run here alone: do not apply the layout with (mps) on the host as well.")
	}
	return about
}

// workerUID is the number of the user as whom workers run.
func (e *export) workerUID() string { return orElse(e.MPSUser, "0") }

func (e *export) composeName() string { return e.Name + "-compose.yaml" }
func (e *export) envName() string     { return e.Name + ".env" }
func (e *export) envScript() string   { return e.Name + "-env.sh" }

// applyCommand is the command that makes the layout, without its MPS daemons.
func (e *export) applyCommand() (string, error) {
	allow, err := e.needs(e.withoutMPS())
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("evabench gpu apply '%s' --gpus %s", e.withoutMPS(), e.numbered())
	if len(allow) > 0 {
		text += " --allow " + strings.Join(allow, ",")
	}
	return text + " --yes --permanent --env-dir " + e.envDir(), nil
}

// block is what the workers of a device have in common; with MPS they run as user uid.
func (u unit) block(uid string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n# %s, shared by %s\nx-%s: &%s\n", u.name, u.sharing, u.slug(), u.slug())
	fmt.Fprintf(&b, "  runtime: nvidia\n  environment: &%s-environment\n", u.slug())
	fmt.Fprintf(&b, "    # The container sees this device alone; it is device 0 there.\n    NVIDIA_VISIBLE_DEVICES: %s\n", u.reference())
	b.WriteString("    NVIDIA_DRIVER_CAPABILITIES: compute,utility,video\n")
	if !u.sharing.IsMPS() {
		return b.String()
	}
	b.WriteString("    CUDA_MPS_PIPE_DIRECTORY: /mps/pipe\n")
	b.WriteString(limits(u.sharing))
	fmt.Fprintf(&b, "  user: ${EVABENCH_UID:-%[2]s}\n  ipc: service:mps-%[1]s\n  volumes: [\"mps-%[1]s:/mps\"]\n  depends_on:\n    mps-%[1]s: {condition: service_healthy}\n", u.slug(), uid)
	b.WriteString("  # An end by force under MPS can hang the GPU: give the worker time.\n  stop_grace_period: 120s\n")
	return b.String()
}

// reference is the variable with the device's UUID, which must be set.
func (u unit) reference() string {
	return fmt.Sprintf(`"${%s:?the UUID of %s is not known}"`, u.variable(), u.name)
}

// limits are the variables that limit each client.
func limits(s device.Sharing) string {
	var text string
	if s.ThreadPercent > 0 {
		text += fmt.Sprintf("    CUDA_MPS_ACTIVE_THREAD_PERCENTAGE: \"%d\"\n", s.ThreadPercent)
	}
	if s.MemoryLimitBytes > 0 {
		text += fmt.Sprintf("    CUDA_MPS_PINNED_DEVICE_MEM_LIMIT: 0=%dM\n", s.MemoryLimitBytes>>20)
	}
	return text
}

// daemon is the service that runs a device's MPS daemon. The container toolkit
// brings nvidia-cuda-mps-control in with the driver capability compute.
func (u unit) daemon() string {
	return fmt.Sprintf(`  mps-%[1]s:
    image: ${EVABENCH_IMAGE:-ubuntu:24.04}
    runtime: nvidia
    init: true
    ipc: shareable
    # Workers of a daemon that ended must begin anew as well: up -d --force-recreate.
    restart: "no"
    environment:
      NVIDIA_VISIBLE_DEVICES: %[2]s
      NVIDIA_DRIVER_CAPABILITIES: compute,utility
      CUDA_VISIBLE_DEVICES: %[2]s
      CUDA_MPS_PIPE_DIRECTORY: /mps/pipe
      CUDA_MPS_LOG_DIRECTORY: /mps/log
%[3]s    command: [sh, -c, "rm -rf /mps/pipe && mkdir -p /mps/pipe /mps/log && exec nvidia-cuda-mps-control -f"]
    # Ready is who answers. A worker that starts earlier runs without MPS and says nothing.
    healthcheck:
      test: [CMD-SHELL, "echo get_default_active_thread_percentage | nvidia-cuda-mps-control"]
      interval: 2s
      timeout: 5s
      retries: 30
    stop_grace_period: 60s
    volumes: ["mps-%[1]s:/mps"]
`, u.slug(), u.reference(), indent(limits(u.sharing), "  "))
}

// variables writes the file of variables and the script that makes it anew.
func (e *export) variables() {
	lacks := e.lacks
	e.lacks = nil
	var values, names strings.Builder
	for _, u := range e.devices {
		if u.uuid == "" {
			fmt.Fprintf(&values, "# %s does not stand now: run %s after the layout is applied.\n", u.name, e.envScript())
		}
		fmt.Fprintf(&values, "%s=%s\n", u.variable(), u.uuid)
		fmt.Fprintf(&names, "%s %s\n", u.variable(), u.file())
	}
	e.add(e.envName(), 0o644, []string{"variables of " + e.composeName() + ": the UUIDs of its devices"}, values.String())
	head := "#!/bin/sh\n"
	body := e.header([]string{
		"./" + e.envScript() + " [DIR]: write " + e.envName() + " anew from the files that",
		"gpu apply --env-dir DIR wrote; DIR is " + e.envDir() + " unless given",
	}) + fmt.Sprintf(`set -eu
from=${1:-%[1]s}
to=$(dirname "$0")/%[2]s
: >"$to.new"
while read -r variable device; do
	uuid=$(sed -n 's/^CUDA_VISIBLE_DEVICES=//p' "$from/$device.env")
	if [ -z "$uuid" ]; then
		echo "$0: $from/$device.env names no device; was the layout applied with --env-dir $from?" >&2
		exit 1
	fi
	echo "$variable=$uuid" >>"$to.new"
done <<'END'
%[3]sEND
mv "$to.new" "$to"
`, e.envDir(), e.envName(), names.String())
	e.files = append(e.files, File{Name: e.envScript(), Mode: 0o755, Data: []byte(head + body)})
	e.lacks = lacks
}
