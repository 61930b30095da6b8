package partition

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// A LockedError says that another process holds a lock.
type LockedError struct {
	// Dir is the state folder; empty for the lock of [LockHost].
	Dir string
	// File is the lock file.
	File string
	// Holder says who, as "pid 123 (evabench sweep x.yaml) of root since 12:03:04".
	Holder string
}

// Error names the holder.
func (e *LockedError) Error() string {
	what := "the state folder " + e.Dir + " is locked"
	if e.Dir == "" {
		what = "the GPUs of this host are locked (" + e.File + ")"
	}
	return fmt.Sprintf("%s by another evabench, %s; wait until it ends", what, e.Holder)
}

// LockHost takes the lock of this host's GPUs, beside that of a state folder: two
// processes with a folder each must not partition the same GPUs. It makes the file
// if need be, for all users, and gives a *[LockedError] if another process holds
// it. The caller calls release once; the lock goes with the process, however that
// ends. The file stays.
func LockHost(file string) (release func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("lock this host's GPUs: %w", err)
	}
	lock, err := lockFile(file, 0o666)
	if err != nil {
		return nil, fmt.Errorf("lock this host's GPUs: %w", err)
	}
	return func() error {
		if err := lock.Unlock(); err != nil {
			return fmt.Errorf("unlock this host's GPUs: %w", err)
		}
		return nil
	}, nil
}

// lockFile locks a file, which it makes if need be, and writes into it who holds it.
//
// Note: The file is not renamed into place, as the lock is on this very file. And it
// is made by itself, since in folders of all users, such as /run/lock, Linux refuses
// even root to open the file of another user with the wish to make it
// (fs.protected_regular).
func lockFile(path string, mode fs.FileMode) (_ *flock.Flock, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Close()) // whatever the umask is
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !held {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read who holds %s: %w", path, err)
		}
		return nil, &LockedError{File: path, Holder: readHolder(text, time.Now())}
	}
	if err := writeHolder(path); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return lock, nil
}

// writeHolder writes this process into a lock file.
func writeHolder(path string) error {
	text, err := json.Marshal(thisProcess())
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Close())
}

// readHolder gives what a lock file says in words.
func readHolder(text []byte, now time.Time) string {
	var h holder
	if err := json.Unmarshal(text, &h); err != nil || h.PID == 0 {
		return cmp.Or(strings.TrimSpace(string(text)), "pid not yet written")
	}
	return h.String(now)
}
