package partition

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// refusals lists why steps must not be made now. Where nothing is to be changed,
// only a pending change of the mode is in the way.
func refusals(s State, steps []Step) []error {
	var errs []error
	if len(steps) > 0 {
		errs = append(errs, ownerRefusals(s)...)
		errs = append(errs, strangerRefusals(s)...)
	}
	errs = append(errs, daemonRefusals(s, steps)...)
	for _, g := range s.GPUs {
		var own []Step
		for _, st := range steps {
			if st.GPU == g.UUID {
				own = append(own, st)
			}
		}
		for _, r := range g.refusals(s, own) {
			r.GPU = g.label()
			errs = append(errs, r)
		}
	}
	return errs
}

// ownerRemedies are what to do about programs that manage GPUs by themselves.
var ownerRemedies = map[string]string{
	"mig-manager": "take the node out of its hands first: systemctl stop nvidia-mig-manager.service, " +
		"or on Kubernetes: kubectl label node NODE nvidia.com/gpu.deploy.mig-manager=false --overwrite",
	"dra-driver": "take the node out of its hands first: kubectl drain NODE --ignore-daemonsets, " +
		"and keep the DRA driver's kubelet plugin off the node",
	"slurm": "take the node out of its hands first: scontrol update NodeName=NODE State=DRAIN Reason=evabench, " +
		"and when its jobs have ended: systemctl stop slurmd.service",
	"vgpu-manager": "shut down the virtual machines on its GPUs (nvidia-smi vgpu lists them), then: systemctl stop nvidia-vgpu-mgr.service",
}

func ownerRefusals(s State) []error {
	var errs []error
	for _, o := range s.Owners {
		who := o.Name
		if o.PID != 0 {
			who += fmt.Sprintf(" (pid %d)", o.PID)
		}
		remedy, ok := ownerRemedies[o.Name]
		if !ok {
			remedy = "stop it first, and start it again afterwards"
		}
		errs = append(errs, &RefusedError{Reason: fmt.Sprintf("%s manages the GPUs of this host: %s", who, o.Why), Remedy: remedy})
	}
	return errs
}

// strangerRefusals tells of daemons of others that may serve any device.
func strangerRefusals(s State) []error {
	var errs []error
	for _, d := range s.MPS {
		if d.Own || d.Device != "" {
			continue
		}
		errs = append(errs, &RefusedError{
			Reason: fmt.Sprintf("an MPS daemon that is not ours (user %d, pid %d, %s) serves devices that cannot be told, or GPUs that are not named too", d.UID, d.PID, d.Pipe),
			Remedy: "run this as root, who may read its environment, and name all its GPUs; or stop it as its user: " + quit(d),
		})
	}
	return errs
}

// quit is the command line that ends a daemon.
func quit(d Daemon) string {
	return fmt.Sprintf("echo quit | CUDA_MPS_PIPE_DIRECTORY=%s nvidia-cuda-mps-control", d.Pipe)
}

// daemonRefusals tells of daemons that would have to end but have clients.
func daemonRefusals(s State, steps []Step) []error {
	var errs []error
	for _, st := range steps {
		d := st.Daemon
		if d == nil {
			continue
		}
		r := &RefusedError{Reason: fmt.Sprintf("the MPS daemon of %s (user %d, pid %d, %s) ", d.Device, d.UID, d.PID, d.Pipe)}
		if g, ok := s.Owner(d.Device); ok {
			r.GPU = g.label()
		}
		switch {
		case len(d.Clients) > 0:
			r.Reason += "has the clients " + pids(d.Clients)
			r.Remedy = fmt.Sprintf("end them, or wait until they have ended (ps -p %s shows them)", commas(d.Clients))
		case d.Own:
			continue
		case d.Clients == nil:
			r.Reason += "is not ours and does not tell its clients"
			r.Remedy = "run this as root or as its user, or stop it as its user: " + quit(*d)
		case d.Settings == nil:
			r.Reason += "is not ours and does not tell what was set by command, so that it could not be started again as it was"
			r.Remedy = "run this as root or as its user, or stop it as its user: " + quit(*d)
		default:
			continue
		}
		errs = append(errs, r)
	}
	return errs
}

// pids names processes in words, commas for a command line.
func pids(list []int) string { return "pid " + strings.ReplaceAll(commas(list), ",", ", ") }

func commas(list []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
}

// refusals tells why the steps that concern one GPU must not be made now.
func (g GPU) refusals(s State, steps []Step) []*RefusedError {
	var out []*RefusedError
	if g.MIG.Current != g.MIG.Pending {
		out = append(out, &RefusedError{
			Reason: fmt.Sprintf("has MIG %s", g.MIG),
			Remedy: fmt.Sprintf("take the change back with nvidia-smi -i %s -mig %d, or let a reset or reboot make it", g.UUID, digit(g.MIG.Current)),
		})
	}
	if len(steps) == 0 {
		return out
	}
	if r := g.processRefusal(s); r != nil {
		out = append(out, r)
	}
	mig := slices.ContainsFunc(steps, func(st Step) bool { return st.Action != StartMPS && st.Action != StopMPS && st.Action != DrainMPS })
	if r := g.virtualRefusal(); r != nil && mig {
		out = append(out, r)
	}
	for _, st := range steps {
		switch st.Action {
		case SetMode:
			out = append(out, g.modeRefusals(st)...)
		case SetTimeSlice:
			if g.TimeSlice == "" {
				out = append(out, &RefusedError{
					Reason: "does not tell its time slice, so that it could not be put back",
					Remedy: fmt.Sprintf("see what nvidia-smi compute-policy -l -i %s says (it may need root or a newer driver), or ask for ts without a time slice", g.UUID),
				})
			}
		}
	}
	return out
}

func digit(on bool) int {
	if on {
		return 1
	}
	return 0
}

// maxNamed is how many processes a message names.
const maxNamed = 8

// processRefusal tells of processes on the GPU. An MPS server without clients is
// no work: it belongs to its daemon.
func (g GPU) processRefusal(s State) *RefusedError {
	var names []string
	var numbers []int
	for _, p := range g.Processes {
		if g.idleServer(s, p) {
			continue
		}
		name := p.Name
		if name == "" {
			name = "name unknown"
		}
		numbers = append(numbers, p.PID)
		names = append(names, fmt.Sprintf("process %d (%s) on %s", p.PID, name, p.Device))
	}
	if len(names) == 0 {
		return nil
	}
	if more := len(names) - maxNamed; more > 0 {
		names = append(names[:maxNamed], fmt.Sprintf("%d more", more))
	}
	return &RefusedError{
		Reason: "runs " + join(names),
		Remedy: fmt.Sprintf("end what is yours, or wait until they have ended (ps -p %s shows them); this program never ends another's process", commas(numbers)),
	}
}

// idleServer reports whether a process is the server of an MPS daemon of this GPU
// that is known to have no clients.
func (g GPU) idleServer(s State, p Process) bool {
	if path.Base(p.Name) != "nvidia-cuda-mps-server" {
		return false
	}
	return slices.ContainsFunc(s.MPS, func(d Daemon) bool {
		idle := len(d.Clients) == 0 && (d.Own || d.Clients != nil)
		return idle && (d.Device == p.Device || p.Device == g.UUID && slices.Contains(g.devices(), d.Device))
	})
}

// virtualRefusal tells of a GPU whose partition is not this system's to change.
func (g GPU) virtualRefusal() *RefusedError {
	switch g.Virtualization {
	case "vgpu-guest":
		return &RefusedError{
			Reason: "is a virtual GPU, whose partition belongs to its host",
			Remedy: "change it there; here measure layout off with ts or mps",
		}
	case "vgpu-host", "vsga-host":
		return &RefusedError{
			Reason: "is shared out to virtual machines (" + g.Virtualization + ")",
			Remedy: "shut them down (nvidia-smi vgpu lists them) and run the host with the driver without vGPU",
		}
	}
	return nil
}

// modeRefusals tells why the MIG mode cannot be changed now.
func (g GPU) modeRefusals(st Step) []*RefusedError {
	var out []*RefusedError
	if g.DisplayActive != nil && *g.DisplayActive && st.On {
		out = append(out, &RefusedError{
			Reason: "has an active display, and MIG needs a GPU without one",
			Remedy: "stop the display server on it (systemctl isolate multi-user.target); " + displayMode,
		})
	}
	if !st.Resets {
		return out
	}
	if g.Virtualization == "passthrough" {
		out = append(out, &RefusedError{
			Reason: "is passed through to this virtual machine, which cannot reset it: the change would stay pending",
			Remedy: fmt.Sprintf("run nvidia-smi -i %s -mig %d and reboot the virtual machine, then use layouts of that mode only", g.UUID, digit(st.On)),
		})
	}
	var holders []string
	for _, h := range g.Holders {
		// The persistence daemon lets go of the GPU by itself.
		switch {
		case path.Base(h.Name) == "nvidia-persistenced":
		case h.PID == 0: // it stands for what could not be looked into
			holders = append(holders, h.Name)
		default:
			holders = append(holders, fmt.Sprintf("process %d (%s)", h.PID, h.Name))
		}
	}
	if len(holders) > 0 {
		out = append(out, &RefusedError{
			Reason: "is held open by " + join(holders) + ", and a change of its MIG mode resets it",
			Remedy: "stop what watches it first, such as: systemctl stop nvidia-dcgm.service nvsm.service (NVIDIA MIG User Guide, Enable MIG Mode)",
		})
	}
	return out
}

// displayMode tells of what this program never does.
const displayMode = "an RTX PRO workstation card offers MIG only in compute display mode, which NVIDIA's DisplayModeSelector sets " +
	"(displaymodeselector --gpumode; it turns the display outputs off and needs a reboot, and this program never runs it)"

// noProfiles refuses MIG on a card that may have it, but not as it is set up; nil
// for one that has none.
func noProfiles(g GPU) error {
	if !strings.Contains(g.Name, "RTX PRO") {
		return nil
	}
	vbios := g.VBIOS
	if vbios == "" {
		vbios = "unknown"
	}
	return &RefusedError{
		GPU: g.label(), Reason: fmt.Sprintf("offers no MIG profiles (VBIOS %s)", vbios),
		Remedy: displayMode + "; or use layout off",
	}
}
