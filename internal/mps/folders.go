package mps

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// folders makes a device's folders anew, for the one user who is served. No daemon
// of ours runs there: what is left is of one that crashed.
func (d *Daemons) folders(uuid string) error {
	if err := secure(filepath.Dir(d.options.Dir), false); err != nil {
		return err
	}
	if err := os.MkdirAll(d.options.Dir, 0o755); err != nil {
		return err
	}
	if err := secure(d.options.Dir, true); err != nil {
		return err
	}
	if err := d.passable(); err != nil {
		return err
	}
	home := d.home(uuid)
	if err := os.RemoveAll(home); err != nil {
		return fmt.Errorf("remove what an earlier daemon left: %w", err)
	}
	all := []string{home, d.pipe(uuid), d.log(uuid)}
	for _, folder := range all {
		if err := os.Mkdir(folder, 0o700); err != nil { // which says whose it is if it is there
			return err
		}
	}
	if d.options.UID == os.Geteuid() {
		return nil
	}
	// The outer one last: before that its user can put nothing in the place of the others.
	for _, folder := range []string{all[1], all[2], all[0]} {
		if err := os.Lchown(folder, d.options.UID, int(groupOf(d.options.UID))); err != nil {
			return err
		}
	}
	return nil
}

// secure checks that nobody but root and us can swap a folder or one above it.
// Strictly, it is itself no link and nobody else can write there. What is not there
// yet is passed over.
func secure(path string, strict bool) error {
	for ; ; path, strict = filepath.Dir(path), false {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !strict:
		case err != nil:
			return err
		default:
			if err := secureOne(path, info, strict); err != nil {
				return err
			}
		}
		if path == filepath.Dir(path) {
			return nil
		}
	}
}

func secureOne(path string, info fs.FileInfo, strict bool) error {
	link := info.Mode()&fs.ModeSymlink != 0
	if link && strict {
		return fmt.Errorf("folder %s for MPS daemons is a link: name the folder itself", path)
	}
	if !link && !info.IsDir() {
		return fmt.Errorf("%s is no folder: choose another for MPS daemons", path)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("whose folder %s is cannot be told", path)
	}
	if owner := int(stat.Uid); owner != 0 && owner != os.Geteuid() {
		return fmt.Errorf("folder %s is user %d's, who could swap the folders of MPS daemons: choose one of root's or our own (user %d)", path, owner, os.Geteuid())
	}
	if link {
		to, err := filepath.EvalSymlinks(path)
		if err != nil {
			return err
		}
		return secure(to, false)
	}
	loose := info.Mode()&0o022 != 0
	if !strict {
		// A sticky folder lets nobody swap another's; our own group is as we are.
		group := int(stat.Gid)
		loose = info.Mode()&fs.ModeSticky == 0 && (info.Mode()&0o002 != 0 || info.Mode()&0o020 != 0 && group != 0 && group != os.Getegid())
	}
	if loose {
		return fmt.Errorf("folder %s can be written by others (mode %04o): choose one that cannot for MPS daemons", path, info.Mode().Perm())
	}
	return nil
}

// passable checks that the served user gets through to its folders.
func (d *Daemons) passable() error {
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
	d.setWarnings(uuid, nil)
	return nil
}

// Tidy removes the folders of our daemons that ended without being stopped, as by kill
// -9, with the sockets in them. It is for who alone starts daemons here: one that is
// being started may have folders and not run yet. What cannot be removed stays, until a
// daemon of that device is started.
func (d *Daemons) Tidy(ctx context.Context) {
	entries, err := os.ReadDir(d.options.Dir)
	if err != nil {
		return // it has none
	}
	all, err := d.list(ctx)
	if err != nil || slices.ContainsFunc(all, func(f Found) bool { return f.Unknown != "" && f.Pipe == "" }) {
		return // whose folders are in use is not known
	}
	for _, e := range entries {
		home := filepath.Join(d.options.Dir, e.Name())
		made, err := hex.DecodeString(e.Name())
		if err != nil || len(made) != homeBytes || !e.IsDir() {
			continue // not ours
		}
		if !slices.ContainsFunc(all, func(f Found) bool { return f.Elsewhere == "" && f.Pipe == filepath.Join(home, "pipe") }) {
			os.RemoveAll(home)
		}
	}
}
