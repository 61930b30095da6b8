package mps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// A Found is a control daemon of this host, ours or another's. It is data; with
// its Env it says all that is needed to start the daemon again.
type Found struct {
	Process
	// Ours says that its pipe folder is one of ours: this program started it,
	// perhaps in an earlier life.
	Ours bool `json:"ours,omitempty"`
	// Pipe and Log are its folders; empty if its environment may not be read.
	Pipe string `json:"pipe,omitempty"`
	Log  string `json:"log,omitempty"`
	// All says that its environment names no device: it serves every GPU.
	All bool `json:"all,omitempty"`
	// Devices are the UUIDs of what it serves; not to be relied on if Unknown.
	Devices []string `json:"devices,omitempty"`
	// Unknown says why it cannot be told which devices it serves: perhaps any. It
	// is empty if it can.
	Unknown string `json:"unknown,omitempty"`
	// Clients are the pids of its clients, sorted; not to be relied on if Silent.
	Clients []int `json:"clients,omitempty"`
	// Silent says why its clients are not known: perhaps many. It is empty if they
	// are.
	Silent string `json:"silent,omitempty"`
	// Settings are the defaults for servers to come that were set by command and
	// that would be lost when it ends, by command word, as it answered; nil if it
	// did not tell.
	Settings map[string]string `json:"settings,omitempty"`
}

// Serves reports whether a device may be one of the daemon's. A daemon that
// serves every GPU, or whose devices cannot be told, serves it.
func (f Found) Serves(uuid string) bool {
	return f.All || f.Unknown != "" || slices.Contains(f.Devices, uuid)
}

// String names a daemon in errors and plans.
func (f Found) String() string {
	serves := strings.Join(f.Devices, ", ")
	switch {
	case f.Unknown != "":
		serves = "devices that cannot be told (" + f.Unknown + ")"
	case f.All:
		serves = "every GPU"
	case serves == "":
		serves = "no device"
	}
	return fmt.Sprintf("MPS daemon %d of user %d for %s", f.PID, f.UID, serves)
}

// The settings that a daemon is asked for and that Restart makes again.
var settings = [...]string{"default_active_thread_percentage", "default_device_pinned_mem_limit 0"}

// Daemons lists the control daemons of this host, sorted by pid, and asks each
// for its clients. A daemon that does not answer is listed too, with the reason in
// Silent. It changes nothing.
func (d *Daemons) Daemons(ctx context.Context) ([]Found, error) {
	all, err := d.list(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("list MPS daemons: %w", err)
		}
		d.question(ctx, &all[i])
	}
	return all, nil
}

// question fills in what only the daemon itself knows.
func (d *Daemons) question(ctx context.Context, f *Found) {
	if f.Pipe == "" {
		f.Silent = "its pipe folder is not known"
		return
	}
	if f.Elsewhere != "" {
		f.Silent = f.Elsewhere
		return
	}
	if f.Deaf != "" && !f.Ours {
		f.Silent = f.Deaf
		return
	}
	clients, err := d.clients(ctx, f.Pipe)
	if err != nil {
		f.Silent = err.Error()
		return
	}
	f.Clients = clients
	f.Settings = d.settings(ctx, f.Pipe)
}

// settings reads what was set by command, nil if a daemon does not tell all of it:
// what is not known cannot be made again.
func (d *Daemons) settings(ctx context.Context, pipe string) map[string]string {
	made := map[string]string{}
	for _, name := range settings {
		said, err := d.ask(ctx, pipe, "get_"+name)
		if err != nil {
			return nil
		}
		if said != "" {
			made[name] = said
		}
	}
	// There is always a percentage: a daemon that names none was not heard.
	if _, err := parsePercent(made[settings[0]]); err != nil {
		return nil
	}
	return made
}

// list reads processes only.
func (d *Daemons) list(ctx context.Context) ([]Found, error) {
	processes, err := d.program.Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("list MPS daemons: %w", err)
	}
	all := make([]Found, 0, len(processes))
	for _, p := range processes {
		all = append(all, d.describe(p))
	}
	slices.SortFunc(all, func(a, b Found) int { return cmp.Compare(a.PID, b.PID) })
	return all, nil
}

// describe reads a daemon's environment.
func (d *Daemons) describe(p Process) Found {
	f := Found{Process: p}
	if p.Env == nil {
		f.Unknown = "its environment may not be read; try as root"
		return f
	}
	f.Pipe = cmp.Or(p.Env[PipeVariable], DefaultPipe)
	f.Log = cmp.Or(p.Env[LogVariable], DefaultLog)
	f.Ours = p.Elsewhere == "" && d.options.Dir != "" && filepath.Dir(filepath.Dir(f.Pipe)) == filepath.Clean(d.options.Dir)
	named, set := p.Env[DeviceVariable]
	if !set {
		f.All = true
		return f
	}
	for name := range strings.SplitSeq(named, ",") {
		name = strings.TrimSpace(name)
		if name == "" || name == "-1" { // CUDA ignores what follows a name that is none
			break
		}
		uuid, err := name, error(nil)
		switch {
		case f.Ours: // they are given UUIDs and nothing else
		case f.Elsewhere != "" && !isUUID(name):
			err = errors.New(f.Elsewhere) // an index counts what is seen there
		default:
			uuid, err = d.resolve(name, p.Env)
		}
		if err != nil {
			f.Unknown = fmt.Sprintf("%s=%s: %v", DeviceVariable, named, err)
			f.Devices = nil
			break
		}
		f.Devices = append(f.Devices, uuid)
	}
	return f
}

// resolve gives the UUID for what CUDA_VISIBLE_DEVICES names.
func (d *Daemons) resolve(name string, env map[string]string) (string, error) {
	if isUUID(name) {
		return name, nil
	}
	if d.options.Resolve == nil {
		return "", errors.New("an index or part of a UUID, which nothing here can resolve")
	}
	return d.options.Resolve(name, maps.Clone(env))
}

// isUUID reports whether a text is a whole device UUID: "GPU-" or "MIG-" with 32
// hexadecimal digits in groups of 8, 4, 4, 4 and 12.
func isUUID(name string) bool {
	rest, gpu := strings.CutPrefix(name, "GPU-")
	if !gpu {
		var mig bool
		if rest, mig = strings.CutPrefix(name, "MIG-"); !mig {
			return false
		}
	}
	groups := strings.Split(rest, "-")
	sizes := []int{8, 4, 4, 4, 12}
	if len(groups) != len(sizes) {
		return false
	}
	for i, group := range groups {
		if len(group) != sizes[i] || strings.Trim(group, "0123456789abcdefABCDEF") != "" {
			return false
		}
	}
	return true
}
