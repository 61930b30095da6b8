package main

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxArchive is the most that the archive may have.
const maxArchive = 16 << 20

// An environment is what the check itself ran with; each run directory has one
// of its own.
type environment struct {
	Form      string    `json:"form"`
	Simulated string    `json:"simulated,omitempty"`
	Begun     time.Time `json:"begun"`
	Machine   []string  `json:"machine"`
	NoGPU     string    `json:"no_gpu,omitempty"`
	NoMPS     string    `json:"no_mps,omitempty"`
	Inspect   any       `json:"inspect_before"` // null if it could not be told
}

// archive writes evidence and environment, and packs the tree. Files that made
// it too large were left out, and are given.
func (c *check) archive(proofs []proof) (dropped []string, size int64, err error) {
	c.ended = time.Now()
	e := environment{c.form, c.sim, c.began.UTC(), c.machine(), c.noGPU, c.noMPS, nil}
	if c.before.all != nil {
		e.Inspect = c.before.all
	}
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return nil, 0, err
	}
	if err := os.WriteFile(filepath.Join(c.tree, "environment.json"), append(text, '\n'), 0o600); err != nil {
		return nil, 0, err
	}
	return pack(c.tree, c.out, maxArchive, func(dropped []string) string { return c.evidence(proofs, dropped) })
}

// pack writes the tree with its evidence as out, of at most limit bytes. While it
// is larger, samples are left out, the largest files first, then observations and
// logs. The file is whole or not there.
func pack(tree, out string, limit int64, evidence func(dropped []string) string) (dropped []string, size int64, err error) {
	order, err := droppable(tree)
	if err != nil {
		return nil, 0, err
	}
	part := out + ".part"
	defer func() { err = errors.Join(err, gone(os.Remove(part))) }()
	for {
		if err := os.WriteFile(filepath.Join(tree, "evidence.md"), []byte(evidence(dropped)), 0o600); err != nil {
			return nil, 0, err
		}
		if size, err = writeTar(tree, part, dropped); err != nil {
			return nil, 0, err
		}
		if size <= limit {
			return dropped, size, os.Rename(part, out)
		}
		over := size - limit
		if len(order) == 0 {
			return nil, 0, fmt.Errorf("it has %d bytes without samples, observations and logs, and %d are allowed", size, limit)
		}
		// A Parquet file hardly shrinks, so that its size tells what leaving it out
		// saves; a log shrinks, and then there is another round.
		for over > 0 && len(order) > 0 {
			over -= order[0].size
			dropped = append(dropped, order[0].name)
			order = order[1:]
		}
	}
}

// gone takes that there is no file for no fault.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

type file struct {
	name string // within the tree
	size int64
	rank int // those of the lowest are left out first
}

// droppable lists what can be left out, in that order.
func droppable(tree string) ([]file, error) {
	var list []file
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		f := file{name: name, size: info.Size(), rank: 3}
		switch {
		case d.Name() == "samples.parquet":
			f.rank = 0
		case d.Name() == "observations.parquet":
			f.rank = 1
		case strings.Contains(filepath.Ext(d.Name()), "log"):
			f.rank = 2
		}
		if f.rank < 3 {
			list = append(list, f)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b file) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.size, a.size), cmp.Compare(a.name, b.name))
	})
	return list, err
}

// writeTar packs the tree less what is left out, and gives the file's size.
func writeTar(tree, out string, without []string) (size int64, err error) {
	into, err := os.Create(out)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, into.Close()) }()
	zip := gzip.NewWriter(into)
	pack := tar.NewWriter(zip)
	err = filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(tree, path)
		if err != nil || slices.Contains(without, name) {
			return err
		}
		return addFile(pack, path, filepath.Join(filepath.Base(tree), name))
	})
	if err = errors.Join(err, pack.Close(), zip.Close()); err != nil {
		return 0, err
	}
	info, err := into.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func addFile(into *tar.Writer, path, name string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if err := into.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	_, err = io.Copy(into, from)
	return err
}
