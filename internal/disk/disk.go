// Package disk changes files so that what has its name is whole and lasts, and lets
// every single operation fail on purpose: a full disk, an I/O error, a crash.
package disk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Unfinished begins the name of what is being written. A crash can leave it.
const Unfinished = ".unfinished-"

// An Op is one operation on the disk, before it is done.
type Op struct {
	Kind string // one of the constants below
	Path string
	To   string // of a Rename
	Data []byte // of a Write: what is written; not to be kept or changed
}

// The kinds of operations.
const (
	Mkdir   = "mkdir"
	Create  = "create" // a new file
	Open    = "open"   // to append
	Write   = "write"
	Sync    = "sync"
	Rename  = "rename"
	Remove  = "remove"
	SyncDir = "sync folder"
)

// A Disk makes changes of files and folders, which only their owner may read. A nil
// *Disk is the real one. It is safe for concurrent use; who changes the same path
// twice at once must know why.
type Disk struct {
	before func(Op) error
}

// Faulty gives a Disk that asks f before each operation. What f gives in place of nil
// becomes of the operation, which is not done; of a Write, a [Short] does a part of it.
// Nothing is synced for real: what a crash would leave is for f to say.
func Faulty(f func(Op) error) *Disk { return &Disk{before: f} }

// Short is the fault of a Write that writes the first N bytes.
type Short struct {
	N   int
	Err error
}

func (s *Short) Error() string { return s.Err.Error() }
func (s *Short) Unwrap() error { return s.Err }

// An Error is what the disk, and nothing else, is at fault for.
type Error struct {
	Op   string // Kind, or "room"
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// do asks for an operation, and carries it out.
func (d *Disk) do(op Op, real func() error) error {
	err := d.ask(op)
	syncs := op.Kind == Sync || op.Kind == SyncDir
	if err == nil && !(syncs && d != nil && d.before != nil) {
		err = real()
	}
	if err != nil {
		return &Error{op.Kind, op.Path, bare(err)}
	}
	return nil
}

func (d *Disk) ask(op Op) error {
	switch {
	case d != nil && d.before != nil:
		return d.before(op)
	case injected != nil:
		return injected(op)
	}
	return nil
}

// bare takes paths out of a fault: an Error has them.
func bare(err error) error {
	if fault, ok := errors.AsType[*fs.PathError](err); ok {
		return fault.Err
	}
	if fault, ok := errors.AsType[*os.LinkError](err); ok {
		return fault.Err
	}
	return err
}

// Mkdir makes a folder, whose name is durable when it returns nil.
func (d *Disk) Mkdir(path string) error {
	if err := d.do(Op{Kind: Mkdir, Path: path}, func() error { return os.Mkdir(path, 0o700) }); err != nil {
		return err
	}
	return d.SyncDir(filepath.Dir(path))
}

// MkdirAll makes a folder and those above it, as far as they are not there.
func (d *Disk) MkdirAll(path string) error {
	path = filepath.Clean(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if above := filepath.Dir(path); above != path {
		if err := d.MkdirAll(above); err != nil {
			return err
		}
	}
	if err := d.Mkdir(path); err != nil && !errors.Is(err, fs.ErrExist) { // another was faster
		return err
	}
	return nil
}

// SyncDir makes the names in a folder durable.
func (d *Disk) SyncDir(path string) error {
	return d.do(Op{Kind: SyncDir, Path: path}, func() error {
		dir, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(dir.Sync(), dir.Close())
	})
}

// Rename gives a file or folder another name in the place of what had it, durably.
// With an error it has one name or the other, and is as whole as it was.
func (d *Disk) Rename(from, to string) error {
	if err := d.do(Op{Kind: Rename, Path: from, To: to}, func() error { return os.Rename(from, to) }); err != nil {
		return err
	}
	return d.SyncDir(filepath.Dir(to))
}

// RemoveAll removes a file or a folder with all in it; one that is not there is
// removed already.
func (d *Disk) RemoveAll(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return d.do(Op{Kind: Remove, Path: path}, func() error { return os.RemoveAll(path) })
}

// WriteFile writes a file in the place of an earlier one: with its name it is whole and
// synced, with an error it is as it was before, or whole. One process at a time writes
// it: it is written under a name of its own, which the next try uses again.
func (d *Disk) WriteFile(path string, data []byte) error {
	return d.WriteFrom(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteFrom is WriteFile for what is written bit by bit.
func (d *Disk) WriteFrom(path string, write func(io.Writer) error) error {
	temp := filepath.Join(filepath.Dir(path), Unfinished+filepath.Base(path))
	if err := d.RemoveAll(temp); err != nil { // what a crash left
		return err
	}
	return d.writeAs(temp, path, write)
}

// Replace is WriteFrom for a file that several processes may write at once.
func (d *Disk) Replace(path string, write func(io.Writer) error) error {
	temp, err := os.CreateTemp(filepath.Dir(path), Unfinished+filepath.Base(path)+"-*")
	if err != nil {
		return &Error{Create, path, bare(err)}
	}
	temp.Close()
	os.Remove(temp.Name()) // it is only its name that is taken
	return d.writeAs(temp.Name(), path, write)
}

// writeAs writes a file under one name and gives it another. Nothing stays under the
// first.
func (d *Disk) writeAs(temp, path string, write func(io.Writer) error) error {
	f, err := d.Create(temp)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(f, 1<<18)
	err = write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.Rename(temp, path)
	}
	if err != nil {
		d.RemoveAll(temp) // the first fault is what is told
	}
	return plain(err)
}

// plain gives the one error that a join of one has, so that it is told as such.
func plain(err error) error {
	if all, ok := err.(interface{ Unwrap() []error }); ok && len(all.Unwrap()) == 1 {
		return all.Unwrap()[0]
	}
	return err
}

// Append adds data to a file, which it makes if need be, and syncs it. With an error
// the file is as long as before, if the disk still allows that.
func (d *Disk) Append(path string, data []byte) error {
	_, err := os.Lstat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	f := &File{disk: d}
	err = d.do(Op{Kind: Open, Path: path}, func() (err error) {
		f.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	info, err := f.file.Stat()
	if err != nil {
		return errors.Join(&Error{Open, path, bare(err)}, f.Close())
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.file.Truncate(info.Size()) // half a line would spoil the next
	}
	if err = errors.Join(err, f.Close()); err == nil && fresh {
		err = d.SyncDir(filepath.Dir(path))
	}
	return plain(err)
}

// Create makes a new file. The caller closes it.
func (d *Disk) Create(path string) (*File, error) {
	f := &File{disk: d}
	err := d.do(Op{Kind: Create, Path: path}, func() (err error) {
		f.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// A File is one that is being written.
type File struct {
	disk *Disk
	file *os.File
}

// Write adds data.
func (f *File) Write(data []byte) (n int, err error) {
	err = f.disk.do(Op{Kind: Write, Path: f.file.Name(), Data: data}, func() (err error) {
		n, err = f.file.Write(data)
		return err
	})
	if short, ok := errors.AsType[*Short](err); ok {
		n, _ = f.file.Write(data[:min(short.N, len(data))])
	}
	return n, err
}

// Sync has on the disk what was written.
func (f *File) Sync() error {
	return f.disk.do(Op{Kind: Sync, Path: f.file.Name()}, f.file.Sync)
}

// Close ends the writing. It syncs nothing.
func (f *File) Close() error {
	if err := f.file.Close(); err != nil {
		return &Error{"close", f.file.Name(), bare(err)}
	}
	return nil
}
