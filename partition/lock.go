package partition

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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
// Note: The file is not renamed into place, as the lock is on this very file.
func lockFile(path string, mode fs.FileMode) (*lock, error) {
	file, refused := openLock(path, mode)
	if errors.Is(refused, fs.ErrPermission) {
		file, _ = openThere(path, os.O_RDONLY) // another user's, who may hold it
	}
	if file == nil {
		return nil, refused
	}
	l := &lock{file}
	err := l.take()
	if err == nil {
		err = refused
	}
	if err == nil {
		err = l.write()
	}
	if err != nil {
		return nil, errors.Join(err, l.Unlock())
	}
	return l, nil
}

// openLock opens the file of a lock, which it makes if need be.
//
// Note: It is made by itself, since in folders of all users, such as /run/lock, Linux
// refuses even root to open the file of another user with the wish to make it
// (fs.protected_regular).
func openLock(path string, mode fs.FileMode) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, mode)
	switch {
	case errors.Is(err, fs.ErrExist):
		return openThere(path, os.O_RDWR)
	case err != nil:
		return nil, err
	}
	if err := file.Chmod(mode); err != nil { // whatever the umask is
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// openThere opens a lock's file that is there. Another user may have made it: a link to
// another file, of either kind, is refused, and a pipe is not waited for.
func openThere(path string, flag int) (*os.File, error) {
	file, err := os.OpenFile(path, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a link; remove it", path)
	}
	if err != nil {
		return nil, err
	}
	var stat unix.Stat_t
	err = unix.Fstat(int(file.Fd()), &stat)
	if err == nil && (stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Nlink > 1) {
		err = errors.New("it is no file of its own; remove it")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return file, nil
}

// A lock is an open file that may be locked.
type lock struct{ file *os.File }

// take locks the file, or says who holds it.
func (l *lock) take() error {
	err := unix.Flock(int(l.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		text, err := io.ReadAll(io.LimitReader(l.file, maxHolder))
		if err != nil {
			return fmt.Errorf("read who holds the lock: %w", err)
		}
		return &LockedError{File: l.file.Name(), Holder: readHolder(text, time.Now())}
	case err != nil:
		return fmt.Errorf("lock %s: %w", l.file.Name(), err)
	}
	return nil
}

// write writes this process into the file.
func (l *lock) write() error {
	text, err := json.Marshal(thisProcess())
	if err != nil {
		return err
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err = l.file.Write(append(text, '\n'))
	return err
}

// Unlock lets the lock go, also where a child that is just being started has the file open.
func (l *lock) Unlock() error {
	return errors.Join(unix.Flock(int(l.file.Fd()), unix.LOCK_UN), l.file.Close())
}

// maxHolder is how much of a lock's file is read, in bytes: who made it may have filled it.
const maxHolder = 64 << 10

// readHolder gives what a lock file says in words.
func readHolder(text []byte, now time.Time) string {
	var h holder
	if err := json.Unmarshal(text, &h); err != nil || h.PID == 0 {
		return cmp.Or(strings.TrimSpace(string(text)), "pid not yet written")
	}
	return h.String(now)
}
