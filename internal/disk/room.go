package disk

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNoRoom says that a disk has less room than what is to be written may take.
var ErrNoRoom = errors.New("not enough room on the disk")

// Free is how many bytes may still be written where a path is, by who is not root.
func (d *Disk) Free(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, &Error{"look for room at", path, err}
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// Room gives an [Error] if fewer than need bytes are free where a path is: an
// [ErrNoRoom], or that the disk takes no writes.
func (d *Disk) Room(path string, need int64) error {
	free, err := d.Free(path)
	if err != nil {
		return err
	}
	if free < need {
		return &Error{"room", path, fmt.Errorf("%w: %d MiB free, %d MiB are wanted before more is measured", ErrNoRoom, free>>20, need>>20)}
	}
	return nil
}

// Full reports whether a fault is that of a full disk.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, ErrNoRoom)
}
