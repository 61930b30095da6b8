package mps

import (
	"fmt"
	"os"
	"path/filepath"
)

// folders makes a device's folders anew, for the one user who is served. No daemon
// of ours runs there: what is left is of one that crashed.
func (d *Daemons) folders(uuid string) error {
	if err := os.MkdirAll(d.options.Dir, 0o755); err != nil {
		return err
	}
	if err := d.passable(); err != nil {
		return err
	}
	home := d.home(uuid)
	if err := os.RemoveAll(home); err != nil {
		return fmt.Errorf("remove what an earlier daemon left: %w", err)
	}
	for _, folder := range []string{home, d.pipe(uuid), d.log(uuid)} {
		if err := d.folder(folder); err != nil {
			return err
		}
	}
	return nil
}

// folder makes one folder of the served user's. The error says whose it is if it
// is there already.
func (d *Daemons) folder(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	if d.options.UID == os.Geteuid() {
		return nil
	}
	return os.Lchown(path, d.options.UID, int(groupOf(d.options.UID)))
}

// passable checks that nobody else can swap our folders, and that the served user
// gets through to them.
func (d *Daemons) passable() error {
	info, err := os.Stat(d.options.Dir)
	if err != nil {
		return err
	}
	if info.Mode()&0o022 != 0 {
		return fmt.Errorf("folder %s can be written by others (mode %04o): choose one that cannot", d.options.Dir, info.Mode().Perm())
	}
	if d.options.UID == os.Geteuid() {
		return nil
	}
	for path := d.options.Dir; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("user %d cannot pass folder %s (mode %04o), where its MPS sockets would be: choose another folder", d.options.UID, path, info.Mode().Perm())
		}
		if path == filepath.Dir(path) {
			return nil
		}
	}
}

// clear removes a device's folders. The folder of all stays: another call may be
// about to use it.
func (d *Daemons) clear(uuid string) error {
	if err := os.RemoveAll(d.home(uuid)); err != nil {
		return fmt.Errorf("remove the folders of the MPS daemon: %w", err)
	}
	return nil
}
