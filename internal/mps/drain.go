package mps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// Drain ends an idle daemon of another's, by asking it to quit and by nothing
// else. It refuses one with clients (the error is a [*ClientsError]), one of a
// container or a systemd unit (a [*BusyError]), one that does not tell, and one that [Daemons.Restart] could not start again as it was. Keep f,
// with its Settings, for Restart. If the daemon has ended already, that is done.
func (d *Daemons) Drain(ctx context.Context, f Found) error {
	if err := d.drain(ctx, f); err != nil {
		return fmt.Errorf("drain %s: %w", f, err)
	}
	return nil
}

func (d *Daemons) drain(ctx context.Context, f Found) error {
	if f.Ours {
		return errors.New("it is one of ours: stop it")
	}
	if f.Keeper() != "" {
		return &BusyError{Daemon: f, UID: d.options.UID}
	}
	if err := f.restartable(); err != nil {
		return err
	}
	if i := slices.IndexFunc(f.Args, func(arg string) bool { return arg != "-d" }); i >= 0 {
		return fmt.Errorf("it was started with %s, so its own service must stop it and start it again", strings.Join(f.Args, " "))
	}
	if gone, err := d.reach(ctx, f); err != nil || gone {
		return err
	}
	if gone, err := d.idle(ctx, f, false); err != nil || gone {
		return err
	}
	if gone, err := d.reach(ctx, f); err != nil || gone { // it may have changed since
		return err
	}
	if err := d.quit(ctx, f, "quit"); err != nil {
		// Perhaps it did, and only its answer was lost.
		if gone, lookErr := d.isGone(ctx, f); lookErr != nil || !gone {
			return errors.Join(err, lookErr)
		}
	}
	return d.waitGone(ctx, f)
}

// restartable says what is missing to start a daemon again as it was.
func (f Found) restartable() error {
	if f.Env == nil {
		return errors.New("its environment is not known, so it could not be started again as it was")
	}
	if f.Pipe == "" {
		return errors.New("its pipe folder is not known")
	}
	return nil
}

// Restart starts a daemon that was drained again, with its own environment,
// folders, user and settings, and waits until it answers. uuid is the device's new
// UUID if it was made anew; empty means that the daemon's devices are as they were.
// If the same daemon runs already, that is done. Folders that are gone are not made:
// as root that would give any place to whoever named it.
func (d *Daemons) Restart(ctx context.Context, f Found, uuid string) error {
	if err := d.restart(ctx, f, uuid); err != nil {
		return fmt.Errorf("start again the %s: %w", f, err)
	}
	return nil
}

func (d *Daemons) restart(ctx context.Context, f Found, uuid string) error {
	if err := f.restartable(); err != nil {
		return err
	}
	env := maps.Clone(f.Env)
	if uuid != "" && !slices.Equal(f.Devices, []string{uuid}) {
		if f.All || len(f.Devices) != 1 {
			return fmt.Errorf("it served not just one device, which could be %s now", uuid)
		}
		env[DeviceVariable] = uuid
	}
	running, err := d.list(ctx)
	if err != nil {
		return err
	}
	for _, other := range running {
		switch {
		case other.Pipe != f.Pipe, other.Elsewhere != "":
		case other.UID == f.UID && other.Env[DeviceVariable] == env[DeviceVariable]:
			if gone, err := d.reach(ctx, other); err != nil || gone {
				return errors.Join(err, ended(other, gone))
			}
			return d.again(ctx, f)
		default:
			return fmt.Errorf("its pipe folder %s is taken by the %s", f.Pipe, other)
		}
	}
	for _, folder := range []string{f.Pipe, cmp.Or(f.Log, DefaultLog)} {
		if info, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
			return fmt.Errorf("its folder %s is gone; its user %d must make it", folder, f.UID)
		} else if err != nil {
			return fmt.Errorf("look at its folder: %w", err)
		}
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		lines = append(lines, name+"="+env[name])
	}
	if err := d.program.Start(ctx, lines, f.UID); err != nil {
		return err
	}
	return d.again(ctx, f)
}

// again waits for a daemon's answer and gives it its settings back.
func (d *Daemons) again(ctx context.Context, f Found) error {
	if err := d.ready(ctx, f.Pipe); err != nil {
		return err
	}
	for _, name := range settings {
		want, known := f.Settings[name]
		if !known {
			continue
		}
		got, err := d.ask(ctx, f.Pipe, "get_"+name)
		if err != nil {
			return err
		}
		if got == want {
			continue
		}
		if _, err := d.ask(ctx, f.Pipe, "set_"+name+" "+settable(want)); err != nil {
			return err
		}
		if got, err = d.ask(ctx, f.Pipe, "get_"+name); err != nil {
			return err
		} else if got != want {
			return fmt.Errorf("its %s reads back as %q, not %q", name, got, want)
		}
	}
	return nil
}

// settable writes an answer as the command wants it: "50.0" as "50", "8 GiB" as "8G".
func settable(said string) string {
	if percent, err := parsePercent(said); err == nil {
		return fmt.Sprint(percent)
	}
	if bytes, ok := MemoryLimit(said); ok && bytes%(1<<20) == 0 {
		return memoryText(bytes)
	}
	return said
}

// ended is the error of a daemon that was to go on.
func ended(f Found, gone bool) error {
	if !gone {
		return nil
	}
	return fmt.Errorf("the %s ended meanwhile; try again", f)
}
