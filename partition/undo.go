package partition

import (
	"fmt"
	"slices"
	"strings"
)

// ToRestore is Before as [Journal.Begin] and [Backend.Restore] take it: with what the
// plan makes, so that it is known from what others make, and with which of others'
// daemons it leaves alone.
func (p Plan) ToRestore() State {
	s := p.Before
	s.GPUs, s.MPS = slices.Clone(s.GPUs), slices.Clone(s.MPS)
	for i := range s.GPUs {
		s.GPUs[i].Makes = []Instance{}
	}
	for _, step := range p.Changes {
		if k := slices.IndexFunc(s.GPUs, func(g GPU) bool { return g.UUID == step.GPU }); step.Action == Create {
			s.GPUs[k].Makes = append(s.GPUs[k].Makes, step.Slot.Instance())
		}
	}
	for i, d := range s.MPS {
		s.MPS[i].Left = !d.Own && !slices.ContainsFunc(p.Changes, func(step Step) bool {
			return step.Action == DrainMPS && step.Daemon.PID == d.PID && step.Daemon.Pipe == d.Pipe
		})
	}
	return s
}

// Undo lists what a restore will put back after the plan, in words and in order,
// as a dry run prints it.
func (p Plan) Undo() []string {
	var out []string
	each := func(action Action, words func(gpu string, s Step) string) {
		for _, s := range p.Changes {
			if s.Action == action {
				out = append(out, words(fmt.Sprintf("gpu%d (%s): ", s.Index, s.GPU), s))
			}
		}
	}
	each(StartMPS, func(gpu string, s Step) string { return gpu + "stop the MPS daemon of " + s.where() })
	each(Create, func(gpu string, s Step) string { return gpu + "destroy " + s.Slot.Instance().String() })
	each(SetMode, func(gpu string, s Step) string {
		text := gpu + "turn MIG " + onOff(!s.On) + " again"
		if s.Resets {
			text += ", which resets the GPU"
		}
		return text
	})
	each(Destroy, func(gpu string, s Step) string {
		return gpu + "create " + s.Instance.String() + " again, perhaps with other UUIDs"
	})
	each(SetTimeSlice, func(gpu string, s Step) string {
		return gpu + "set the time slice to " + p.timeSlice(s.GPU) + " again"
	})
	each(StopMPS, func(gpu string, s Step) string {
		if s.GPU == "" {
			return "leave the MPS daemon of " + s.Daemon.Device + " stopped: its device was gone before"
		}
		return gpu + "start the MPS daemon of " + s.Daemon.Device + " again"
	})
	each(DrainMPS, func(gpu string, s Step) string {
		return fmt.Sprintf("%sstart the MPS daemon of %s again, as user %d in %s", gpu, s.Daemon.Device, s.Daemon.UID, s.Daemon.Pipe)
	})
	return out
}

// timeSlice is the time slice that a GPU had before.
func (p Plan) timeSlice(uuid string) string {
	for _, g := range p.Before.GPUs {
		if g.UUID == uuid {
			return g.TimeSlice
		}
	}
	return ""
}

// Warnings tells what of the things that are put back after the plan will not last, and
// what the plan loses that is not put back.
func (p Plan) Warnings() []string {
	var out, reset []string
	var again []Daemon
	for _, s := range p.Changes {
		if s.Daemon != nil && s.GPU != "" {
			again = append(again, *s.Daemon)
		}
		if s.Resets {
			reset = append(reset, s.GPU)
		}
	}
	if reset != nil {
		out = append(out, fmt.Sprintf("a change of the MIG mode resets %s, and clocks that somebody set there (nvidia-smi -ac, -lgc, -lmc) are lost, as NVML does not tell them all; look first (nvidia-smi -q -d CLOCK), and set them again afterwards",
			strings.Join(reset, ", ")))
	}
	if text := EndWarning(again); text != "" {
		out = append(out, text)
	}
	return out
}

// EndWarning tells which daemons, if they are started again, end with the systemd unit
// or container of the process that does it, and what to do; empty if none does.
func EndWarning(again []Daemon) string {
	var devices []string
	in := ""
	for _, d := range again {
		if d.EndsWith != "" {
			devices, in = append(devices, d.Device), d.EndsWith
		}
	}
	if in == "" {
		return ""
	}
	where := "from a login shell, or with \"systemd-run --scope\" before the command"
	if strings.HasPrefix(in, "container ") {
		where = "outside of it"
	}
	return fmt.Sprintf("what is started again of the MPS daemon of %s belongs to %s, as this process does, and is killed when that ends; so that it lives on, run this %s, or start the daemon afterwards as it was started before (systemctl restart UNIT)",
		strings.Join(devices, ", "), in, where)
}
