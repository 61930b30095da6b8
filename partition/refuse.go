package partition

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// refusals lists why steps must not be made now. Where nothing is to be changed,
// only a pending change of the mode is in the way, or a compute mode in which nobody
// can use the GPU.
func refusals(s State, steps []Step) []error {
	var errs []error
	if len(steps) > 0 {
		if s.Blind != "" {
			errs = append(errs, &RefusedError{
				Reason: "processes of this host, which may use the GPUs, cannot be seen: " + s.Blind,
				Remedy: "run on the host as root, or in a container with --pid=host",
			})
		}
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

// strangerRefusals tells of daemons of others that may serve any device.
func strangerRefusals(s State) []error {
	var errs []error
	for _, d := range s.MPS {
		if d.Own || d.Device != "" {
			continue
		}
		errs = append(errs, &RefusedError{
			Reason: fmt.Sprintf("an MPS daemon that is not ours (user %d, pid %d, %s) serves devices that cannot be told, or GPUs that are not named too", d.UID, d.PID, d.Pipe),
			Remedy: cmp.Or(d.Keeper, "run this as root, who may read its environment, and name all its GPUs; or stop it as its user: "+quit(d)),
		})
	}
	return errs
}

// visibleDevices names the variable that says which devices a daemon serves. That of its
// one MIG device is not kept in a state, as it changes when the device is made anew.
const visibleDevices = "CUDA_VISIBLE_DEVICES"

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
		g, stands := s.Owner(d.Device)
		if stands {
			r.GPU = g.label()
		}
		switch {
		case d.Keeper != "":
			r.Reason += "is not ours to end"
			r.Remedy = d.Keeper
		case len(d.Clients) > 0:
			r.Reason += "has the clients " + pids(d.Clients)
			r.Remedy = fmt.Sprintf("end them, or wait until they have ended (ps -p %s shows them)", commas(d.Clients))
		case d.Clients == nil:
			if !d.Own {
				r.Reason += "is not ours and "
			}
			r.Reason += "does not tell its clients"
			r.Remedy = "run this as root or as its user, or stop it as its user: " + quit(*d)
		case d.Settings == nil && d.Own && stands:
			r.Reason += "does not tell what was set by command, so that it could not be started again as it was"
			r.Remedy = "ask again, as it may have been slow to answer; if it stays silent, stop it: " + quit(*d)
		case d.Own: // one whose device is gone is not started again anyway
			continue
		case d.Settings == nil:
			r.Reason += "is not ours and does not tell what was set by command, so that it could not be started again as it was"
			r.Remedy = "run this as root or as its user, or stop it as its user: " + quit(*d)
		case strings.Contains(d.Env[visibleDevices], "MIG-"):
			r.Reason += "is not ours and was started for " + d.Env[visibleDevices] + ", and of MIG devices that are made anew it could not be told the new names"
			r.Remedy = "stop it as its user: " + quit(*d) + "; and start it again afterwards with the names that nvidia-smi -L then shows"
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
			Remedy: fmt.Sprintf("take the change back: nvidia-smi -i %s -mig %d; or make it, with nothing running there: nvidia-smi -i %s --gpu-reset", g.UUID, digit(g.MIG.Current), g.UUID),
		})
	}
	if g.ComputeMode == computeProhibited {
		out = append(out, &RefusedError{
			Reason: "has compute mode prohibited, in which no process can use it",
			Remedy: g.computeModeRemedy(),
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
			free := g
			free.Holders = g.stayingHolders(s)
			out = append(out, free.modeRefusals(st)...)
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
		idle := d.Clients != nil && len(d.Clients) == 0
		return idle && (d.Device == p.Device || p.Device == g.UUID && slices.Contains(g.devices(), d.Device))
	})
}

// stayingHolders are those but for MPS daemons that a plan ends before the mode changes,
// and their servers, which end with them.
func (g GPU) stayingHolders(s State) []Holder {
	return slices.DeleteFunc(slices.Clone(g.Holders), func(h Holder) bool {
		ends := slices.ContainsFunc(s.MPS, func(d Daemon) bool { return d.PID == h.PID && slices.Contains(g.devices(), d.Device) })
		return ends || g.idleServer(s, Process{PID: h.PID, Name: h.Name, Device: g.UUID})
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
		remedy := "stop the display server on it (systemctl isolate multi-user.target)"
		if g.hasDisplays() {
			remedy += "; " + displayMode
		}
		out = append(out, &RefusedError{Reason: "has an active display, and MIG needs a GPU without one", Remedy: remedy})
	}
	switch g.ComputeMode {
	case "", computeDefault, computeProhibited: // unknown, fine, and refused for any layout
	default:
		out = append(out, &RefusedError{
			Reason: "has compute mode " + g.ComputeMode + ", which MIG does not know",
			Remedy: g.computeModeRemedy(),
		})
	}
	if st.Resets {
		out = append(out, g.resetRefusals(st)...)
	}
	return out
}

// The compute modes that matter, as package internal/nvml writes them.
const (
	computeDefault    = "default"
	computeProhibited = "prohibited"
)

// computeModeRemedy tells how to set the default compute mode, and back.
func (g GPU) computeModeRemedy() string {
	return fmt.Sprintf("before: nvidia-smi -i %s -c DEFAULT, and afterwards, if it was meant: nvidia-smi -i %s -c %s", g.UUID, g.UUID, g.computeModeWord())
}

// computeModeWord is the compute mode as nvidia-smi takes it.
func (g GPU) computeModeWord() string {
	return strings.ToUpper(strings.ReplaceAll(g.ComputeMode, "-", "_"))
}

// resetRefusals tells why the GPU cannot be reset now: what stands in the way, what
// would be lost, and what would be changed with it.
func (g GPU) resetRefusals(st Step) []*RefusedError {
	var out []*RefusedError
	if was, will := g.ECC, g.ECCPending; was != nil && will != nil && *was != *will {
		out = append(out, &RefusedError{
			Reason: fmt.Sprintf("has ECC %s with a change to %s pending, which a change of its MIG mode would make too, as that resets it", onOff(*was), onOff(*will)),
			Remedy: fmt.Sprintf("take the change back with nvidia-smi -i %s -e %d, or let a reset or reboot make it", g.UUID, digit(*was)),
		})
	}
	if is, after := g.PowerLimitWatts, g.PowerDefaultWatts; is != nil && after != nil && *is != *after {
		out = append(out, &RefusedError{
			Reason: fmt.Sprintf("has a power limit of %g W, which is %g W after a change of its MIG mode, as that resets it", *is, *after),
			Remedy: fmt.Sprintf("before: nvidia-smi -i %s -pl %g, and afterwards: nvidia-smi -i %s -pl %g", g.UUID, *after, g.UUID, *is),
		})
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

// hasDisplays reports whether the GPU may be a card with display outputs of a kind
// that offers MIG, but only with these turned off.
func (g GPU) hasDisplays() bool {
	return g.isPro() && !strings.Contains(g.Name, "Server Edition")
}

// displayMode tells of what this program never does.
// (NVIDIA MIG User Guide, Supported GPUs, for the oldest VBIOS.)
const displayMode = "an RTX PRO workstation card offers MIG only in compute display mode, with a VBIOS from 98.02.55.00.00 on (Max-Q 98.02.6A.00.00, " +
	"RTX PRO 5000 98.02.73.00.00); NVIDIA's DisplayModeSelector sets it: displaymodeselector --gpumode physical_display_disabled -i N, where N is its own number of the card. " +
	"It writes the board's firmware, turns the display outputs off and needs a reboot; without -i it asks for every card; " +
	"read NVIDIA's guide to it first, also on how to undo it; evabench never runs it"

// minVersions tells a card without displays what offers MIG.
// (NVIDIA MIG User Guide, Supported GPUs.)
const minVersions = "install driver " + proDriver + " or newer and the newest VBIOS of the server's maker (NVIDIA names no oldest one for this card)"

// The oldest drivers: of MIG on RTX PRO cards (NVIDIA MIG User Guide, Supported GPUs), and
// of those that list profiles while MIG is off (NVML API Reference Guide, Changes between
// v545 and v550).
const (
	proDriver     = "575.51.03"
	listingDriver = "550"
)

// ListsWithMIG is a [GPU]'s NoProfiles where the driver is older than that.
const ListsWithMIG = "the driver lists them only while MIG is on"

// noProfiles refuses MIG on a card that may have it, but not as it is set up; nil
// for one that has none.
func noProfiles(g GPU) error {
	vbios := g.VBIOS
	if vbios == "" {
		vbios = "unknown"
	}
	r := &RefusedError{GPU: g.label(), Reason: "does not tell its MIG profiles: " + g.NoProfiles}
	none := fmt.Sprintf("offers no MIG profiles (VBIOS %s)", vbios)
	switch {
	case g.NoProfiles == "" && g.hasDisplays():
		r.Reason, r.Remedy = none, displayMode
	case g.NoProfiles == "" && g.isPro():
		r.Reason, r.Remedy = none, minVersions
	case g.NoProfiles == "" && (g.MIG.Current || !g.MIG.Supported):
		return nil
	case g.NoProfiles == "" || g.NoProfiles == ListsWithMIG:
		r.Reason = "does not tell its MIG profiles: " + ListsWithMIG
		r.Remedy = g.newerDriver()
	default:
		r.Remedy = "run the same as root, with sudo"
	}
	r.Remedy += "; or drop the layout: layout: [off]"
	return r
}

// newerDriver is the remedy for a driver that is older than [ListsWithMIG] tells.
func (g GPU) newerDriver() string {
	oldest, more := listingDriver, ""
	if g.isPro() {
		oldest = proDriver
	}
	if g.hasDisplays() {
		more = "; " + displayMode
	}
	return fmt.Sprintf("install driver %s or newer, or turn MIG on by hand: nvidia-smi -i %s -mig 1%s", oldest, g.UUID, more)
}

func (g GPU) isPro() bool { return strings.Contains(g.Name, "RTX PRO") }
