package export

import (
	"fmt"
	"strings"

	"github.com/evabench/evabench/partition"
)

// systemd writes a unit that makes the layout at boot and holds its MPS daemons,
// and a drop-in for the units of workers.
//
// Note: a unit of Type=forking for each MPS daemon was considered. It would need
// the UUIDs of MIG devices in the file, which change; evabench looks them up when
// it runs. With Type=oneshot and RemainAfterExit=yes the daemons that it leaves
// belong to the unit's control group as long as the unit is active.
//
// Note: KillMode=control-group, systemd's default, was tried. A stop that refuses
// because clients live is then followed by SIGTERM and SIGKILL to the daemons and
// their servers, under those clients. With KillMode=process what ExecStop leaves
// stays, and a restart goes on in spite of it; with control-group or mixed and
// SendSIGKILL=no it would not. (systemd.kill(5).)
func (e *export) systemd() error {
	gpus, err := e.gpus()
	if err != nil {
		return err
	}
	allow, err := e.needs(e.Layout)
	if err != nil {
		return err
	}
	unit := e.Name + ".service"
	for _, lack := range e.afterBoot() {
		e.lack("%s; the devices' .env files have the new ones", lack)
	}
	e.lack("what another program changes after boot: a restart of the unit sets it again")
	off, err := e.turnOff()
	if err != nil {
		return err
	}
	stop := "systemctl disable --now " + unit
	if e.mps() {
		stop += fmt.Sprintf("    # refused while MPS clients live: end them, then systemctl start %[1]s && systemctl stop %[1]s", unit)
	}
	e.undo = append([]string{stop}, off...)
	about := []string{
		"systemctl disable --now nvidia-mig-manager.service, if there is one: two programs must not set the same GPUs",
		"copy to /etc/systemd/system/" + unit,
		"systemctl daemon-reload && systemctl enable --now " + unit,
		"MPS daemons, time slices and, but for the A100 and A30, MIG itself are gone after a boot: the unit makes them again.",
		"Each device's environment is then in " + e.envDir() + "/DEVICE.env:",
	}
	for _, u := range e.devices {
		about = append(about, "  "+u.file()+".env")
	}
	e.add(unit, 0o644, about, e.unit(gpus, allow))
	e.worker()
	return nil
}

func (e *export) unit(gpus string, allow []string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("[Unit]\nDescription=GPU layout %s", specifiers(e.Layout.String()))
	line("# The driver must be up and stay loaded: MIG is lost when it unloads.")
	line("Wants=nvidia-persistenced.service")
	line("After=nvidia-persistenced.service nvidia-fabricmanager.service nvidia-mig-manager.service")
	line("# What uses GPUs, or keeps them open, starts when they are as they shall be.")
	line("Before=nvidia-dcgm.service docker.service containerd.service")
	line("\n[Service]\nType=oneshot\nRemainAfterExit=yes")
	line("# Gone when the unit stops, so that no worker starts with an old device.")
	line("RuntimeDirectory=%s\nRuntimeDirectoryMode=0755", strings.TrimPrefix(e.envDir(), "/run/"))
	args := []string{e.Program, "gpu", "apply", e.Layout.String(), "--gpus", gpus}
	if len(allow) > 0 {
		args = append(args, "--allow", strings.Join(allow, ","))
	}
	args = append(args, "--yes", "--permanent")
	if e.MPSUser != "" {
		args = append(args, "--mps-user", e.MPSUser)
	}
	line("ExecStart=%s", command(append(args, "--env-dir", e.envDir())))
	if e.mps() {
		line("# A stop asks the daemons to quit and leaves the instances. Workers that require")
		line("# this unit have ended by now. While other clients live it is refused, systemctl")
		line("# status names them, and the daemons stay, also at a restart.")
		line("ExecStop=%s", command([]string{e.Program, "gpu", "apply", e.withoutMPS().String(), "--gpus", gpus, "--allow", string(partition.AllowMPS), "--yes", "--permanent"}))
		line("# No daemon is sent a signal: an MPS server killed with clients can hang the GPU.")
		line("# A shutdown kills what is left all the same: end other clients before one.")
	} else {
		line("# Nothing is killed: a change of the GPUs that is cut short leaves them halfway.")
	}
	line("KillMode=process\nSendSIGKILL=no\nTimeoutStartSec=600\nTimeoutStopSec=180")
	line("# No PrivateTmp, no user: workers must see the daemons' pipes, and layouts need root.")
	line("\n[Install]\nWantedBy=multi-user.target")
	return b.String()
}

// worker writes the drop-in for a template unit of workers.
func (e *export) worker() {
	specifier, escaped := "%i", false
	for _, u := range e.devices {
		if strings.Contains(u.file(), "+") { // not allowed in a unit's name
			specifier, escaped = "%I", true
		}
	}
	about := []string{"an example: copy to /etc/systemd/system/worker@.service.d/, where worker@.service is your unit; then"}
	for _, u := range e.devices {
		instance := u.file()
		if escaped {
			instance = fmt.Sprintf("$(systemd-escape %s)", instance)
		}
		about = append(about, "  systemctl enable --now worker@"+instance+".service")
	}
	about = append(about, "For several workers of a device make copies of the template, such as worker-2@.service.")
	if e.mps() {
		about = append(about, e.whoseWorkers()...)
	}
	user := ""
	if e.MPSUser != "" {
		user = "# The MPS daemons serve this user alone.\nUser=" + specifiers(e.MPSUser) + "\n"
	}
	lacks, undo := e.lacks, e.undo
	e.lacks, e.undo = nil, []string{"rm /etc/systemd/system/worker@.service.d/" + e.Name + ".conf && systemctl daemon-reload"}
	e.add("worker@.service.d/"+e.Name+".conf", 0o644, about, fmt.Sprintf(`[Unit]
# The worker starts after the layout stands, and ends before it is stopped.
Requires=%[1]s.service
After=%[1]s.service

[Service]
EnvironmentFile=%[3]s/%[2]s.env
%[4]s# An end by force under MPS can hang the GPU: give the worker time.
TimeoutStopSec=120
PrivateTmp=no
`, e.Name, specifier, e.envDir(), user))
	e.lacks, e.undo = lacks, undo
}

// whoseWorkers tells as whom the workers run: MPS serves nobody else.
func (e *export) whoseWorkers() []string {
	if e.MPSUser != "" {
		return []string{fmt.Sprintf("The MPS daemons serve the user %s alone, as whom the workers run (User=): another's run without MPS, and say nothing.", e.MPSUser)}
	}
	return []string{
		"The MPS daemons serve root alone, and workers of another user (User=) run without MPS, and say nothing:",
		"for those make both files anew with gpu export … --mps-user NAME.",
	}
}

// command writes a command line as systemd reads it.
func command(args []string) string {
	for i, a := range args {
		args[i] = specifiers(a)
		if strings.ContainsAny(a, " ;\"'\\$()") {
			args[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `$$`).Replace(args[i]) + `"`
		}
	}
	return strings.Join(args, " ")
}

// specifiers doubles what systemd would replace.
func specifiers(text string) string { return strings.ReplaceAll(text, "%", "%%") }
