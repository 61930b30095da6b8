package mps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/evabench/evabench/internal/device"
)

// maxSocketPath is the longest path of a Unix socket: sun_path has 108 bytes, one
// of them for the end. (unix(7).)
const maxSocketPath = 107

// longestSocket is the longest name that a daemon makes in its pipe folder.
const longestSocket = "control_privileged"

// Start starts a daemon for a device and gives what a client's environment must
// have. When it returns, the daemon has answered, and the limits of the device's
// Sharing are set and were read back, before any client. A limit that was set but
// whose answer is not understood is told by [Daemons.Warnings].
//
// It refuses a device that has a daemon, ours or another's, of whatever user: the
// error is a [*BusyError]. After any error nothing of this call is left, or the
// error says what is.
func (d *Daemons) Start(ctx context.Context, dev device.Device) (map[string]string, error) {
	env, err := d.start(ctx, dev)
	if err != nil {
		return nil, fmt.Errorf("start an MPS daemon for %s: %w", dev.UUID, err)
	}
	return env, nil
}

func (d *Daemons) start(ctx context.Context, dev device.Device) (map[string]string, error) {
	if err := d.check(dev); err != nil {
		return nil, err
	}
	release, err := d.hold(ctx, dev.UUID)
	if err != nil {
		return nil, err
	}
	defer release()
	d.setWarnings(dev.UUID, nil)
	if err := d.free(ctx, dev.UUID); err != nil {
		return nil, err
	}
	if err := d.bring(ctx, dev); err != nil {
		return nil, errors.Join(err, d.undo(ctx, dev.UUID))
	}
	env := map[string]string{
		DeviceVariable: dev.UUID,
		PipeVariable:   d.pipe(dev.UUID),
		LogVariable:    d.log(dev.UUID),
	}
	if percent := dev.Sharing.ThreadPercent; percent > 0 {
		env[PercentVariable] = strconv.Itoa(percent)
	}
	if bytes := dev.Sharing.MemoryLimitBytes; bytes > 0 {
		env[MemoryVariable] = fmt.Sprintf("0=%dM", bytes>>20)
	}
	return env, nil
}

// check finds what is wrong before anything is touched.
func (d *Daemons) check(dev device.Device) error {
	var faults []error
	if dev.UUID == "" {
		faults = append(faults, errors.New("the device has no UUID"))
	}
	if !filepath.IsAbs(d.options.Dir) {
		faults = append(faults, fmt.Errorf("the folder for daemons, %q, is no absolute path", d.options.Dir))
	}
	if longest := filepath.Join(d.pipe(dev.UUID), longestSocket); len(longest) > maxSocketPath {
		faults = append(faults, fmt.Errorf("the socket %s would have a path of %d bytes, and %d are possible: choose a shorter folder", longest, len(longest), maxSocketPath))
	}
	if us := os.Geteuid(); us != 0 && us != d.options.UID {
		faults = append(faults, fmt.Errorf("user %d cannot start daemons of user %d: run as root or as that user", us, d.options.UID))
	}
	if p := dev.Sharing.ThreadPercent; p < 0 || p > 100 {
		faults = append(faults, fmt.Errorf("a thread percentage of %d is not 1 to 100", p))
	}
	if b := dev.Sharing.MemoryLimitBytes; b%(1<<20) != 0 {
		faults = append(faults, fmt.Errorf("a memory limit of %d B is not in whole MiB", b))
	}
	return errors.Join(faults...)
}

// free refuses a device that has a daemon.
func (d *Daemons) free(ctx context.Context, uuid string) error {
	all, err := d.list(ctx)
	if err != nil {
		return err
	}
	for _, f := range all {
		if f.Serves(uuid) {
			return &BusyError{Device: uuid, Daemon: f, UID: d.options.UID}
		}
	}
	return nil
}

// bring makes the folders and brings the daemon to where it can have clients.
func (d *Daemons) bring(ctx context.Context, dev device.Device) error {
	if err := d.folders(dev.UUID); err != nil {
		return err
	}
	env := append(paths(),
		DeviceVariable+"="+dev.UUID,
		PipeVariable+"="+d.pipe(dev.UUID),
		LogVariable+"="+d.log(dev.UUID),
	)
	if err := d.program.Start(ctx, env, d.options.UID); err != nil {
		return err
	}
	if err := d.ready(ctx, d.pipe(dev.UUID)); err != nil {
		return fmt.Errorf("%w; its log is in %s", err, d.log(dev.UUID))
	}
	running, err := d.ours(ctx, dev.UUID)
	if err != nil {
		return err
	}
	if len(running) != 1 || running[0].UID != d.options.UID {
		return fmt.Errorf("one daemon of user %d was to run, and these do: %v", d.options.UID, running)
	}
	warnings, err := d.limit(ctx, dev)
	if err == nil {
		d.setWarnings(dev.UUID, warnings)
	}
	return err
}

// paths are what the daemon needs of our own environment: it looks up
// nvidia-cuda-mps-server in PATH, and that loads libcuda, which in containers is
// found by LD_LIBRARY_PATH.
func paths() []string {
	var env []string
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// ready waits until a daemon answers.
func (d *Daemons) ready(ctx context.Context, pipe string) error {
	err := until(ctx, d.options.Ready, func(ctx context.Context) (bool, error) {
		said, err := d.ask(ctx, pipe, "get_default_active_thread_percentage")
		if err != nil {
			return false, err
		}
		_, err = parsePercent(said)
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("it does not answer: %w", err)
	}
	return nil
}
