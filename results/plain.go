package results

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxText bounds a JSON file, a scenario and a histogram log, in bytes. Ours have some
// kilobytes; a folder that came from elsewhere may hold anything.
const maxText = 64 << 20

// What does not belong into a run directory. Nobody who opens it may be led elsewhere, or
// be made to wait for ever.
var (
	errLink      = errors.New("it is a symbolic link, and links in a run directory are not followed")
	errNotPlain  = errors.New("it is no plain file")
	errNotFolder = errors.New("it is no folder")
)

// openPlain opens a file of the folder root, with its size. The last element of its name must be
// a plain file: a pipe would block the reader, a link lead to what the name does not say.
func openPlain(root *os.Root, name string) (*os.File, int64, error) {
	there, err := root.Lstat(name)
	switch {
	case err != nil:
		return nil, 0, err
	case there.Mode()&fs.ModeSymlink != 0:
		return nil, 0, errLink
	case !there.Mode().IsRegular():
		return nil, 0, errNotPlain
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	opened, err := file.Stat()
	if err == nil && !os.SameFile(there, opened) {
		err = errors.New("it was changed while it was opened")
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, opened.Size(), nil
}

// readPlain reads a file of the folder root whole, if it is plain and of at most maxText bytes.
func readPlain(root *os.Root, name string) ([]byte, error) {
	file, size, err := openPlain(root, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if size > maxText {
		return nil, fmt.Errorf("it has %d bytes, more than the %d that are read", size, int64(maxText))
	}
	return io.ReadAll(io.LimitReader(file, maxText+1))
}

// checkDir says why a name in root is no folder to go into.
func checkDir(root *os.Root, name string) error {
	there, err := root.Lstat(name)
	switch {
	case err != nil:
		return err
	case there.Mode()&fs.ModeSymlink != 0:
		return errLink
	case !there.IsDir():
		return errNotFolder
	}
	return nil
}
