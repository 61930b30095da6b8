package pace

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A File is bytes in memory that the kernel can send without copying them: a
// sealed memfd (man 2 memfd_create). It is safe for concurrent use, but for
// Close.
type File struct {
	f *os.File
	// fd is f's, kept since os.File.Fd is dear.
	fd     int
	bodies []Body
}

// NewFile makes a File of the contents, one after another. The Bytes of its
// bodies are the contents' own, which must not change any more. The caller
// closes it when nothing of it is to be sent any more.
func NewFile(contents ...[]byte) (*File, error) {
	fd, err := unix.MemfdCreate("evabench-bodies", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("make a file of bodies: %w", os.NewSyscallError("memfd_create", err))
	}
	file := &File{f: os.NewFile(uintptr(fd), "bodies"), fd: fd}
	if err := file.fill(contents); err != nil {
		file.f.Close()
		return nil, fmt.Errorf("make a file of bodies: %w", err)
	}
	return file, nil
}

func (f *File) fill(contents [][]byte) error {
	var offset int64
	for _, c := range contents {
		f.bodies = append(f.bodies, Body{Bytes: c, File: f, Offset: offset})
		if _, err := f.f.WriteAt(c, offset); err != nil {
			return err
		}
		offset += int64(len(c))
	}
	_, err := unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	return os.NewSyscallError("fcntl", err)
}

// Bodies are the contents, in the order given to NewFile.
func (f *File) Bodies() []Body { return f.bodies }

// Close frees the memory once the kernel has sent what it took.
func (f *File) Close() error { return f.f.Close() }
