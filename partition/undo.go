package partition

import (
	"fmt"
	"strings"
)

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

// Warnings tells of what a restore by this process will put back and not keep, with
// what to do: MPS daemons that it starts again belong to its own systemd unit or
// container then.
func (p Plan) Warnings() []string {
	var devices []string
	in := ""
	for _, s := range p.Changes {
		if d := s.Daemon; d != nil && s.GPU != "" && d.EndsWith != "" {
			devices, in = append(devices, d.Device), d.EndsWith
		}
	}
	if in == "" {
		return nil
	}
	return []string{fmt.Sprintf("what is started again of the MPS daemon of %s belongs to %s, as this process does, and is killed when that ends; run this in a login shell, in a unit with KillMode=process (systemd-run -p KillMode=process), or restart the daemon's own unit afterwards",
		strings.Join(devices, ", "), in)}
}
