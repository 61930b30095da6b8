package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// A damage is what was done to one file or folder of a run directory.
type damage struct {
	what string // "one byte", …
	path string // of the file or folder, within the run directory
	// marker says that a crash leaves the same: the file that is written last is not there.
	marker bool
	// few says that it is a few bytes, which need not matter: a Parquet file has statistics
	// that nobody reads, a histogram log has comments.
	few bool
}

func (d damage) String() string { return d.path + ": " + d.what }

// cell is the folder of the cell that is damaged; empty if the run is as a whole.
func (d damage) cell() string {
	parts := strings.Split(d.path, "/")
	if len(parts) < 2 || parts[0] != "cells" {
		return ""
	}
	return parts[1]
}

// drawDamage damages a copy of a sound run directory.
func drawDamage(s sound, dir string, random *rand.Rand) (damage, error) {
	name := s.files[random.IntN(len(s.files))]
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return damage{}, fmt.Errorf("%s: %d bytes, %w", name, len(text), err)
	}
	at := random.IntN(len(text))
	d := damage{path: name}
	write := func(what string, text []byte) error {
		d.what = what
		return os.WriteFile(path, text, 0o600)
	}
	switch random.IntN(10) {
	case 0, 1, 2:
		bad := bytes.Clone(text)
		bad[at] ^= byte(1 + random.IntN(255))
		d.few = true
		err = write(fmt.Sprintf("byte %d of %d is %#02x", at, len(text), bad[at]), bad)
	case 3:
		err = write(fmt.Sprintf("it ends at byte %d of %d", at, len(text)), text[:at])
	case 4: // what a disk gives back of a block that it lost
		bad := bytes.Clone(text)
		clear(bad[at:min(len(bad), at+512)])
		if bytes.Equal(bad, text) {
			bad[at]++
		}
		d.few = true
		err = write(fmt.Sprintf("512 zeros from byte %d of %d", at, len(text)), bad)
	case 5:
		err = write("it is empty", nil)
	case 6:
		other, fault := os.ReadFile(filepath.Join(dir, s.files[random.IntN(len(s.files))]))
		if fault != nil || bytes.Equal(other, text) {
			other = append(bytes.Clone(text), text...)
		}
		err = write("it holds another file's text", other)
	case 7:
		d.what = "a link to itself"
		if err = os.Remove(path); err == nil {
			err = os.Symlink(filepath.Base(path), path)
		}
	case 8:
		d.what, d.marker = "gone", filepath.Base(name) == "cell.json"
		err = os.Remove(path)
	case 9:
		if filepath.Dir(name) == "." { // of the run itself nothing else is a folder
			name = "cells"
		}
		d.path = filepath.Dir(name)
		if name == "cells" {
			d.path = name
		}
		d.what, d.marker = "the folder is gone", d.cell() != "" && strings.Count(d.path, "/") == 1
		err = os.RemoveAll(filepath.Join(dir, d.path))
	}
	return d, err
}

// judge says what is wrong with how a report took a damage.
func (s sound) judge(d damage, got told) (faults []string) {
	bad := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if got.status != 0 && got.status != 1 {
		bad("the report ends with %d: %s", got.status, got.err)
	}
	if strings.Contains(got.err, "panic") || strings.Contains(got.err, "goroutine ") || strings.Contains(got.err, "did not end") || strings.Contains(got.err, "no JSON") {
		bad("%s", got.err)
	}
	if bytes.Equal(got.out, s.told.out) && got.status == 0 {
		if ext := filepath.Ext(d.path); d.few && (ext == ".parquet" || ext == ".hlog") {
			return faults // and nothing that is told changed
		}
		return append(faults, "nobody noticed")
	}
	if !got.tells(d) {
		bad("nobody says where it is: %s", got.err)
	}
	if got.status == 0 && !d.marker && d.path != "scenario.yaml" {
		bad("it was taken for a run that broke off, or for none at all")
	}
	if d.path == "cells" {
		return faults // without what was measured there is nothing to tell
	}
	for folder, want := range s.told.cells {
		if _, there := got.cells[folder]; !there && d.path == "environment.json" {
			bad("the cell %s, which is whole, is not told", folder)
		}
		if folder != d.cell() && d.path != "environment.json" && got.cells[folder] != want {
			bad("the cell %s, which is whole, is not told as before", folder)
		}
	}
	if step := filepath.Dir(d.path); strings.Contains(step, "/steps/") {
		if _, ok := got.cells[d.cell()]; !ok {
			bad("with one step the whole cell is gone")
		}
	}
	return faults
}

// tells reports whether a report names the place of a damage: the file, or the folder that it is
// missed in.
func (t told) tells(d damage) bool {
	places := []string{d.path}
	if d.marker {
		places = append(places, d.cell())
	}
	if strings.HasPrefix(d.what, "the folder") {
		places = append(places, filepath.Dir(d.path))
	}
	for _, place := range places {
		if strings.Contains(t.err, place+":") {
			return true
		}
		for _, where := range t.where {
			if where == place {
				return true
			}
		}
	}
	return false
}
