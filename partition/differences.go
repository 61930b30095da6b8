package partition

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Owner gives the GPU that a device is or is part of, in this state.
func (s State) Owner(uuid string) (GPU, bool) {
	for _, g := range s.GPUs {
		if slices.Contains(g.devices(), uuid) {
			return g, true
		}
	}
	return GPU{}, false
}

// Differences tells in words how now differs from s in what a restore brings
// back: the GPUs, their MIG modes, time slices and instances with placements, and MPS
// daemons. Ids and UUIDs of instances, GPU
// indices, processes and the pids of daemons are not compared, nor what s does not
// know, nor daemons of others that came since or that s says were left: those are not ours
// to end or to start. None means that now is s again.
func (s State) Differences(now State) []string {
	var out []string
	for _, want := range s.GPUs {
		k := slices.IndexFunc(now.GPUs, func(g GPU) bool { return g.UUID == want.UUID })
		if k < 0 {
			out = append(out, fmt.Sprintf("%s %s is gone", want.label(), want.UUID))
			continue
		}
		out = append(out, want.differences(now.GPUs[k])...)
	}
	return append(out, s.daemonDifferences(now)...)
}

func (s State) daemonDifferences(now State) []string {
	var out []string
	extra := s.ExtraMPS(now)
	rest := slices.Clone(now.MPS)
	for _, d := range s.missing(now) {
		k := slices.IndexFunc(rest, func(e Daemon) bool { return now.alike(e, s, d) && !d.asSet(e) })
		if k < 0 {
			out = append(out, s.daemon(d)+" is missing")
			continue
		}
		there := rest[k]
		rest = slices.Delete(rest, k, k+1)
		extra = slices.DeleteFunc(extra, func(e Daemon) bool { return e.PID == there.PID && e.Device == there.Device })
		out = append(out, s.daemon(d)+" "+d.setOtherwise(there))
	}
	for _, d := range extra {
		out = append(out, now.daemon(d)+" is extra")
	}
	return out
}

// setOtherwise tells how the settings of now are not those of d.
func (d Daemon) setOtherwise(now Daemon) string {
	if now.Settings == nil {
		return "does not tell its settings, or not in time"
	}
	var told []string
	for _, name := range slices.Sorted(maps.Keys(d.Settings)) {
		if was, is := d.Settings[name], now.Settings[name]; is != was {
			told = append(told, fmt.Sprintf("%s is %s, not %s", name, cmp.Or(is, "unset"), was))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now.Settings)) {
		if _, set := d.Settings[name]; !set {
			told = append(told, fmt.Sprintf("%s is %s, not unset", name, now.Settings[name]))
		}
	}
	return "is set otherwise: " + strings.Join(told, ", ")
}

func (g GPU) differences(now GPU) []string {
	var out []string
	// Not whether it is supported, and resets: a new driver may tell otherwise.
	if now.MIG.Current != g.MIG.Current || now.MIG.Pending != g.MIG.Pending {
		out = append(out, fmt.Sprintf("%s: MIG is %s, not %s", g.label(), now.MIG, g.MIG))
	}
	for _, i := range g.Instances {
		if !slices.ContainsFunc(now.Instances, i.Same) {
			out = append(out, fmt.Sprintf("%s: %s is missing", g.label(), i))
		}
	}
	for _, i := range now.Instances {
		if !slices.ContainsFunc(g.Instances, i.Same) {
			out = append(out, fmt.Sprintf("%s: %s is extra", g.label(), i))
		}
	}
	return append(out, g.setting("the time slice", now.TimeSlice, g.TimeSlice)...)
}

// setting tells of one that is known to have been otherwise.
func (g GPU) setting(what, now, was string) []string {
	if was == "" || now == was {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s is %s, not %s", g.label(), what, cmp.Or(now, "unknown"), was)}
}

// Lost tells in words which settings of s are otherwise now that no restore brings
// back, as this program never sets them, and what does: compute mode and persistence,
// which a reboot loses.
func (s State) Lost(now State) []string {
	var out []string
	for _, g := range s.GPUs {
		for _, n := range now.GPUs {
			if n.UUID == g.UUID {
				for _, words := range g.setting("the compute mode", n.ComputeMode, g.ComputeMode) {
					out = append(out, fmt.Sprintf("%s (nvidia-smi -i %s -c %s sets it)", words, g.UUID, g.computeModeWord()))
				}
				for _, words := range g.setting("persistence", mayBeOn(n.Persistence), mayBeOn(g.Persistence)) {
					out = append(out, fmt.Sprintf("%s (nvidia-smi -i %s -pm %d sets it)", words, g.UUID, digit(*g.Persistence)))
				}
			}
		}
	}
	return out
}

// mayBeOn writes a switch in words; empty if it is unknown.
func mayBeOn(on *bool) string {
	if on == nil {
		return ""
	}
	return onOff(*on)
}

// Moved lists the devices of s that stand at the same place now but have another
// UUID there: others may have stored the old one.
func (s State) Moved(now State) []string {
	var out []string
	for _, g := range s.GPUs {
		for _, i := range g.Instances {
			for _, c := range i.Compute {
				uuid, ok := now.Again(s, c.UUID)
				if !ok || uuid == c.UUID {
					continue
				}
				name := fmt.Sprintf("%s at %s", i.Profile, i.Placement)
				if len(i.Compute) > 1 {
					name += fmt.Sprintf(", %dc at %d,", c.Placement.Size, c.Placement.Start)
				}
				out = append(out, fmt.Sprintf("%s: %s was %s and is %s", g.label(), name, c.UUID, uuid))
			}
		}
	}
	return out
}

// ExtraMPS lists this program's daemons of now that s has not, or has otherwise:
// on another place, with other limits, as another user. A restore stops them. One
// whose device was gone already in s may run on.
func (s State) ExtraMPS(now State) []Daemon {
	var extra []Daemon
	for k, d := range now.MPS {
		before := count(now.MPS[:k], func(e Daemon) bool { return now.alike(e, now, d) })
		if d.Own && before >= count(s.MPS, func(e Daemon) bool { return s.alike(e, now, d) && e.asSet(d) }) {
			extra = append(extra, d)
		}
	}
	return extra
}

// MissingMPS lists the daemons of s, this program's and others' that were not left, that
// now has not or has otherwise, and whose device is there: a restore starts them. Each is
// as it was but for Device, which is the device's UUID now.
func (s State) MissingMPS(now State) []Daemon {
	var missing []Daemon
	for _, d := range s.missing(now) {
		if at, ok := now.Again(s, d.Device); ok {
			d.Device = at
			missing = append(missing, d)
		}
	}
	return missing
}

// missing lists the daemons of s that now has not, with the device as s calls it,
// but for those that were left, which are not ours to start, and those whose device was
// gone already in s: they cannot be started again.
func (s State) missing(now State) []Daemon {
	var missing []Daemon
	for k, d := range s.MPS {
		before := count(s.MPS[:k], func(e Daemon) bool { return s.alike(e, s, d) })
		if _, known := s.Owner(d.Device); known && !d.Left && before >= count(now.MPS, func(e Daemon) bool { return now.alike(e, s, d) && d.asSet(e) }) {
			missing = append(missing, d)
		}
	}
	return missing
}

func count(daemons []Daemon, like func(Daemon) bool) int {
	n := 0
	for _, d := range daemons {
		if like(d) {
			n++
		}
	}
	return n
}

// alike reports whether daemon d of s and daemon e of another state are alike in
// all that a restore brings back. This program's folders are its own affair: they
// may be named by a UUID that is another now.
func (s State) alike(d Daemon, other State, e Daemon) bool {
	return d.Own == e.Own && d.UID == e.UID && maps.Equal(d.Env, e.Env) && s.place(d.Device) == other.place(e.Device) &&
		(d.Own || d.Pipe == e.Pipe && d.Log == e.Log)
}

// asSet reports whether another daemon has the settings of d. One that does not tell
// its own has not, as it may have been started and not yet set; what d did not tell
// makes no difference.
func (d Daemon) asSet(e Daemon) bool {
	return d.Settings == nil || maps.Equal(d.Settings, e.Settings)
}

// daemon names a daemon in messages.
func (s State) daemon(d Daemon) string {
	device := s.place(d.Device)
	if d.Device == "" {
		device = "an unknown device"
	}
	if d.Own {
		return "the MPS daemon of " + device
	}
	return fmt.Sprintf("the MPS daemon of %s (not ours: user %d, pid %d, %s)", device, d.UID, d.PID, d.Pipe)
}

// place names a device by GPU and placement, which survives a re-made instance;
// one that is no more by UUID.
func (s State) place(uuid string) string {
	for _, g := range s.GPUs {
		if g.UUID == uuid {
			return uuid
		}
		for _, i := range g.Instances {
			for _, c := range i.Compute {
				if c.UUID == uuid {
					return fmt.Sprintf("%s/%s@%d/%dc@%d", g.UUID, i.Profile, i.Placement.Start, c.Placement.Size, c.Placement.Start)
				}
			}
		}
	}
	return uuid
}

// Again finds, in s, the device that another state calls uuid: the same GPU, or
// the compute instance of the same size at the same place, whatever its UUID is
// now.
func (s State) Again(other State, uuid string) (string, bool) {
	place := other.place(uuid)
	for _, g := range s.GPUs {
		for _, candidate := range g.devices() {
			if s.place(candidate) == place {
				return candidate, true
			}
		}
	}
	return "", false
}
