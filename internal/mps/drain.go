package mps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Drain ends an idle daemon of another's, by asking it to quit and by nothing
// else. It refuses one with clients (the error is a [*ClientsError]), one that does
// not tell, and one that [Daemons.Restart] could not start again as it was. Keep f,
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
	if err := f.restartable(); err != nil {
		return err
	}
	if i := slices.IndexFunc(f.Args, func(arg string) bool { return arg != "-d" }); i >= 0 {
		return fmt.Errorf("it was started with %s, so its own service must stop it and start it again", strings.Join(f.Args, " "))
	}
	if gone, err := d.isGone(ctx, f); err != nil || gone {
		return err
	}
	if gone, err := d.idle(ctx, f, false); err != nil || gone {
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
// If the same daemon runs already, that is done.
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
		case other.Pipe != f.Pipe:
		case other.UID == f.UID && other.Env[DeviceVariable] == env[DeviceVariable]:
			return d.again(ctx, f)
		default:
			return fmt.Errorf("its pipe folder %s is taken by the %s", f.Pipe, other)
		}
	}
	for _, folder := range []string{f.Pipe, cmp.Or(f.Log, DefaultLog)} {
		if err := remake(folder, f.UID); err != nil {
			return err
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

// settable writes an answer as the command wants it: "50.0" as "50".
func settable(said string) string {
	if percent, err := parsePercent(said); err == nil {
		return fmt.Sprint(percent)
	}
	return said
}

// remake makes a folder that went missing, for its user.
func remake(path string, uid int) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	if uid == os.Geteuid() {
		return nil
	}
	return os.Lchown(path, uid, int(groupOf(uid)))
}
