package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/evabench/evabench/internal/disk"
	"github.com/evabench/evabench/report"
	"github.com/evabench/evabench/report/formats"
)

// writeFile writes a file whole or not at all; one that it cannot write stays as it was, and
// links to it stay links. What is there and no file, as /dev/null, is written into.
func writeFile(path string, write func(io.Writer) error) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if to, err := os.Readlink(path); err == nil { // to what is not there yet
			return writeFile(besides(path, to), write)
		}
		return (*disk.Disk)(nil).Replace(path, write)
	case err != nil:
		return err
	}
	for _, ours := range []*os.File{os.Stdout, os.Stderr} {
		if o, err := ours.Stat(); err == nil && os.SameFile(info, o) {
			return buffered(ours, write) // also where a shell has us append to a file
		}
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(buffered(f, write), f.Close())
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	return (*disk.Disk)(nil).Replace(path, write)
}

// writeWithin writes a file of a run directory as writeFile does. Others may have made the
// directory: what stands there under the file's name and is no file is neither followed nor replaced.
func writeWithin(dir, name string, write func(io.Writer) error) error {
	path := filepath.Join(dir, name)
	switch info, err := os.Lstat(path); {
	case err != nil: // none is there, or the writing says why
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("it is a symbolic link, and links in a run directory are not followed; remove it")
	case !info.Mode().IsRegular():
		return errors.New("what is there is no plain file; remove it")
	}
	return (*disk.Disk)(nil).Replace(path, write) // which follows no link that came meanwhile
}

// besides gives where a link leads.
func besides(link, to string) string {
	if filepath.IsAbs(to) {
		return to
	}
	dir := filepath.Dir(link)
	if whole, err := filepath.EvalSymlinks(dir); err == nil {
		dir = whole // or .. would lead elsewhere
	}
	return filepath.Join(dir, to)
}

func buffered(f *os.File, write func(io.Writer) error) error {
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return err
	}
	return w.Flush()
}

// writeFiles writes each of a run's report files, whatever becomes of the others. What the
// disk refuses has one cause, which is told once.
func writeFiles(dir string, files []reportFile, d *report.Document) error {
	return writeEach(dir, files, func(f reportFile, w io.Writer) error { return formats.Write(f.format, w, d) })
}

func writeEach(dir string, files []reportFile, write func(reportFile, io.Writer) error) error {
	var faults []error
	var lost []string // for the same reason as the first
	var cause error
	for _, f := range files {
		err := writeWithin(dir, f.file, func(w io.Writer) (err error) {
			defer func() {
				if fault := recover(); fault != nil {
					err = fmt.Errorf("panic: %v; please report this", fault)
				}
			}()
			return write(f, w)
		})
		switch {
		case err == nil:
		case !refused(err):
			faults = append(faults, fmt.Errorf("write %s: %w", f.file, err))
		case cause == nil:
			cause = fmt.Errorf("write %s: %w", f.file, err)
		default:
			lost = append(lost, f.file)
		}
	}
	if len(lost) > 0 {
		cause = fmt.Errorf("%w; nor were %s written", cause, strings.Join(lost, ", "))
	}
	if cause != nil {
		cause = fmt.Errorf("%w; with room and rights there, \"evabench report %s\" makes them", cause, quoted(dir))
	}
	return errors.Join(append(faults, cause)...)
}
