package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backends/nvidia"
)

// GPUs are the GPUs of a simulated server as a folder keeps them: its cards, their
// time slices, and MPS control daemons, which are processes of this machine.
type GPUs struct {
	// API reads and changes the cards.
	API nvml.API
	// Backend is the real backend's logic over them.
	Backend partition.Backend
}

// patience bounds each thing that is asked of a simulated MPS daemon.
const patience = 5 * time.Minute

// OpenGPUs gives the GPUs of a server that dir keeps; both are made if dir holds
// none. Exe is this program, which [mpsfake] runs in the place of
// nvidia-cuda-mps-control. MPS daemons that the Backend starts outlive the
// process, as real ones do, until it stops them or [EndDaemons] does.
func OpenGPUs(server, dir, exe string) (*GPUs, error) {
	info, err := findServer(server)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	cards, err := openCards(server, dir, info.Cards)
	if err != nil {
		return nil, err
	}
	program, err := install(dir, exe)
	if err != nil {
		return nil, err
	}
	// A daemon that does not answer in minutes is broken; in seconds, on a machine that
	// also bears the load, it may only have to wait.
	daemons := mps.New(mps.Control{Path: program, Limit: patience}, mps.Options{
		Dir: mpsFolder(dir), UID: os.Geteuid(), Ready: patience, Ask: patience, End: patience,
	})
	return &GPUs{API: cards, Backend: nvidia.New(nvidia.Options{API: cards, MPS: daemons, TimeSlices: timeSlicesIn(dir)})}, nil
}

// install makes the control program of a folder. One that another build of
// evabench made is replaced; daemons of it go on, and are known by its path.
func install(dir, exe string) (string, error) {
	link := filepath.Join(dir, mps.Name)
	if to, err := os.Readlink(link); err == nil && to != exe {
		if err := os.Remove(link); err != nil {
			return "", fmt.Errorf("replace the simulated %s: %w", mps.Name, err)
		}
	}
	return mpsfake.Install(dir, exe)
}

func cardsPath(dir string) string { return filepath.Join(dir, "cards.json") }

// openCards opens the cards of a folder, made if there are none, and checks that
// they are the server's.
func openCards(server, dir string, models []string) (*nvml.Fake, error) {
	path := cardsPath(dir)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := nvml.CreateFake(path, models); err != nil {
			return nil, err
		}
	}
	cards, err := nvml.OpenFake(path)
	if err != nil {
		return nil, err
	}
	devices, err := cards.Devices()
	if err != nil {
		return nil, fmt.Errorf("read cards: %w", err)
	}
	var found []string
	for _, d := range devices {
		found = append(found, d.Name)
	}
	if !slices.Equal(found, models) {
		return nil, fmt.Errorf("%s holds the cards %q, server %s has %q", path, found, server, models)
	}
	return cards, nil
}

// longestMPSFolder leaves room for what daemons make below it: a socket's path has
// at most 107 bytes.
const longestMPSFolder = 64

// mpsFolder is where the MPS daemons of a state folder have theirs: within it, or
// if that path is too long for sockets, at a place of its own.
func mpsFolder(dir string) string {
	if path := filepath.Join(dir, "mps"); len(path) <= longestMPSFolder {
		return path
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join("/tmp", "evabench-mps-"+hex.EncodeToString(sum[:8]))
}

// endWithin bounds how long the end of MPS daemons is waited for.
const endWithin = 10 * time.Second

// EndDaemons ends the MPS daemons of simulated GPUs that a state folder keeps,
// whoever started them, and removes their folders. It ends a process only if it was
// started as a daemon by that folder's own program.
func EndDaemons(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("end simulated MPS daemons: %w", err)
	}
	program := filepath.Join(dir, mps.Name)
	if _, err := os.Lstat(program); errors.Is(err, os.ErrNotExist) {
		return nil // none was ever started
	}
	for until := time.Now().Add(endWithin); ; {
		n, err := killDaemons(program)
		switch {
		case err != nil:
			return fmt.Errorf("end simulated MPS daemons of %s: %w", dir, err)
		case n == 0:
			return os.RemoveAll(mpsFolder(dir))
		case time.Now().After(until):
			return fmt.Errorf("end simulated MPS daemons of %s: %d were killed and are still there", dir, n)
		}
		time.Sleep(5 * time.Millisecond) // a killed process is gone within milliseconds
	}
}

// killDaemons kills the daemons of a program and gives how many there were.
//
// Note: [mps.Control] finds them too, but only while the executable of the program
// is there, and it may have been built anew elsewhere meanwhile.
func killDaemons(program string) (n int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !isDaemonOf(program, pid) {
			continue
		}
		// The handle first, then the look: whoever gets the number later is not
		// meant.
		handle, err := os.FindProcess(pid)
		if err != nil {
			return n, err
		}
		if isDaemonOf(program, pid) {
			n++
			err = handle.Kill()
		}
		handle.Release()
		if err != nil && !errors.Is(err, os.ErrProcessDone) {
			return n, fmt.Errorf("end process %d: %w", pid, err)
		}
	}
	return n, nil
}

// isDaemonOf reports whether a process was called by the path of a program to be a
// daemon. One that has ended and only waits to be collected was not.
func isDaemonOf(program string, pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.HasPrefix(line, []byte(program+"\x00-d\x00"))
}
