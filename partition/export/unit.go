package export

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/partition"
)

// A unit is one device of the layout: what a process is pinned to.
type unit struct {
	name    string // as device.Device has it: gpu0/1g.24gb@3
	uuid    string // of the device as it stands now; empty if it does not
	profile string // of the GPU instance; empty for a whole GPU
	cut     bool   // it is a part of a GPU instance
	sharing device.Sharing
}

// file is the name of the device's environment file, without .env.
func (u unit) file() string { return strings.NewReplacer("/", "-", "@", "-").Replace(u.name) }

// slug names the device where only letters, digits and hyphens may stand.
func (u unit) slug() string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, u.file())
}

// variable names the environment variable that holds the device's UUID.
func (u unit) variable() string {
	return "DEVICE_" + strings.ToUpper(strings.ReplaceAll(u.slug(), "-", "_"))
}

// units lists the devices of targets, by GPU and place.
func units(s partition.State, targets []partition.Target) []unit {
	var list []unit
	for i, t := range targets {
		g := s.GPUs[i]
		if !t.MIG {
			list = append(list, unit{name: fmt.Sprintf("gpu%d", g.Index), uuid: g.UUID, sharing: t.Sharing})
			continue
		}
		for _, slot := range t.Slots {
			for _, c := range slot.Compute {
				u := unit{
					name: fmt.Sprintf("gpu%d/%s@%d", g.Index, slot.Profile.Name, slot.Placement.Start),
					cut:  c.Size != slot.Profile.Slices, profile: slot.Profile.Name, sharing: slot.Sharing,
					uuid: standing(g, slot, c),
				}
				if u.cut {
					u.name += fmt.Sprintf("/%dc@%d", c.Size, c.Start)
				}
				list = append(list, u)
			}
		}
	}
	return list
}

// standing gives the UUID of a compute instance that stands already.
func standing(g partition.GPU, slot partition.Slot, at partition.Placement) string {
	for _, i := range g.Instances {
		if i.Profile != slot.Profile.Name || i.Placement != slot.Placement {
			continue
		}
		for _, c := range i.Compute {
			if c.Placement == at {
				return c.UUID
			}
		}
	}
	return ""
}

// envDir is where gpu apply writes the devices' environments. The folder above
// it is not systemd's to remove: MPS daemons have theirs there, too.
func (e *export) envDir() string { return "/run/" + e.Name + "/devices" }

// mps tells whether any device is shared through MPS.
func (e *export) mps() bool {
	return slices.ContainsFunc(e.devices, func(u unit) bool { return u.sharing.IsMPS() })
}

// withoutMPS is the layout with nothing shared through MPS.
func (e *export) withoutMPS() partition.Layout {
	var out partition.Layout
	for _, g := range e.Layout.GPUs {
		var terms []partition.Term
		for _, t := range g.Terms {
			if t.Sharing.IsMPS() {
				t.Sharing = device.Sharing{}
			}
			terms = append(terms, t)
		}
		out.GPUs = append(out.GPUs, partition.GPULayout{Index: g.Index, Terms: terms})
	}
	return out
}

// needs lists what `gpu apply` must be allowed to do to make a layout after a
// boot. Cards differ in whether MIG is still on then, so both are planned for.
func (e *export) needs(l partition.Layout) ([]string, error) {
	var words []string
	for _, permission := range partition.Permissions() {
		for _, mig := range []bool{false, true} {
			p, err := partition.MakePlan(fresh(e.State, &mig), l)
			if err != nil {
				return nil, err
			}
			if slices.Contains(p.Needs(), permission) {
				words = append(words, string(permission))
				break
			}
		}
	}
	return words, nil
}

// turnOff lists the command that turns MIG off again, if the layout turns it on.
func (e *export) turnOff() ([]string, error) {
	if !slices.ContainsFunc(e.targets, func(t partition.Target) bool { return t.MIG }) {
		return nil, nil
	}
	off := partition.Layout{GPUs: []partition.GPULayout{{Index: partition.AllGPUs, Terms: []partition.Term{{Count: 1}}}}}
	more, err := e.needs(off)
	if err != nil {
		return nil, err
	}
	allow := append([]string{string(partition.AllowLayout)}, more...)
	return []string{fmt.Sprintf("evabench gpu apply off --gpus %s --allow %s --permanent    # removes every instance there; where another layout stood before, apply that one",
		e.named(), strings.Join(allow, ","))}, nil
}

// named lists the GPUs by UUID, for commands that a person can still fill in.
func (e *export) named() string {
	var uuids []string
	for _, g := range e.State.GPUs {
		uuids = append(uuids, orElse(g.UUID, fmt.Sprintf("UUID_OF_GPU_%d", g.Index)))
	}
	return strings.Join(uuids, ",")
}

// gpus is numbered, and an error if a UUID is not known.
func (e *export) gpus() (string, error) {
	for _, g := range e.State.GPUs {
		if g.UUID == "" {
			return "", fmt.Errorf("GPU %d is a card of the built-in table and has no UUID; make the file on the server, with --gpus", g.Index)
		}
	}
	return e.numbered(), nil
}

// numbered is named with the index of each GPU where the layout goes by these: applied
// after the cards were numbered anew, it would give one GPU the layout of another.
func (e *export) numbered() string {
	if !slices.ContainsFunc(e.Layout.GPUs, func(g partition.GPULayout) bool { return g.Index != partition.AllGPUs }) {
		return e.named()
	}
	var pairs []string
	for i, uuid := range strings.Split(e.named(), ",") {
		pairs = append(pairs, fmt.Sprintf("%d=%s", e.State.GPUs[i].Index, uuid))
	}
	return strings.Join(pairs, ",")
}
