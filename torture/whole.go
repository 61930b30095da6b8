package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/results"
)

// A stepKey names the load of one service in one step of a run.
type stepKey struct {
	cell    string
	step    int
	service string
}

// A seen is a run directory as it stands.
type seen struct {
	planned []string
	done    map[string]string // the hash of each cell that is done, by folder
	others  []string          // cells that are there and not done, with their status
	// steps are the hashes of the samples of each whole step, of cells that are not
	// done too.
	steps []string
	// due is how many sessions were due, and p50 the median time of answers, in seconds.
	due map[stepKey]int64
	p50 map[stepKey]float64
	// problems is what could not be read.
	problems []string
}

// look reads a run directory.
func look(dir string) (*seen, error) {
	run, err := results.Read(dir)
	if err != nil {
		return nil, err
	}
	s := &seen{planned: run.Environment.Planned, done: map[string]string{}, due: map[stepKey]int64{}, p50: map[stepKey]float64{}}
	for _, p := range run.Problems {
		s.problems = append(s.problems, fmt.Sprint(p))
	}
	for _, c := range run.Cells {
		switch folder := c.Cell.Folder; {
		case c.Finished && c.Cell.Status == results.CellDone:
			if s.done[folder], err = hashOf(filepath.Join(dir, "cells", folder)); err != nil {
				return nil, err
			}
			if err := s.count(c); err != nil {
				return nil, err
			}
		case c.Finished:
			s.others = append(s.others, fmt.Sprintf("%s is %s: %s", folder, c.Cell.Status, c.Cell.Fault))
		default:
			s.others = append(s.others, folder+" is unfinished")
		}
	}
	s.steps, err = stepHashes(dir)
	return s, err
}

// count counts the sessions of a cell's steps, but for those after windows, which hang on how
// long answers take, and takes the medians.
func (s *seen) count(c *results.CellData) error {
	for _, step := range c.Steps {
		times := map[stepKey][]float64{}
		for sample, err := range step.Samples() {
			if err != nil {
				return err
			}
			key := stepKey{c.Cell.Folder, step.Step.Index, sample.Service}
			if sample.Call == 0 && sample.Attempt == 0 && sample.Due < step.Step.WindowEnd {
				s.due[key]++
			}
			if sample.Outcome == results.OK {
				times[key] = append(times[key], sample.Done.Sub(sample.Due).Seconds())
			}
		}
		for key, all := range times {
			slices.Sort(all)
			s.p50[key] = all[len(all)/2]
		}
	}
	return nil
}

// hashOf hashes the names and contents of all that is in a folder, or a file.
func hashOf(dir string) (string, error) {
	all := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path) // path lies below dir
		fmt.Fprintf(all, "%q %d\n", rel, len(data))
		all.Write(data)
		return err
	})
	return hex.EncodeToString(all.Sum(nil)), err
}

// stepHashes are the hashes of the samples of all whole steps that lie anywhere in a
// run directory.
func stepHashes(dir string) (hashes []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "samples.parquet" || strings.HasPrefix(filepath.Base(filepath.Dir(path)), ".") {
			return err
		}
		hash, err := hashOf(path)
		hashes = append(hashes, hash)
		return err
	})
	return hashes, err
}

// kept says what of an earlier look is not there any more: cells that were done and
// changed, steps that were whole and are nowhere.
func (s *seen) kept(earlier *seen) (faults []string) {
	for _, folder := range slices.Sorted(maps.Keys(earlier.done)) {
		switch now, there := s.done[folder]; {
		case !there:
			faults = append(faults, "cell "+folder+" was done and is not any more")
		case now != earlier.done[folder]:
			faults = append(faults, "cell "+folder+" was done and has changed")
		}
	}
	for _, hash := range earlier.steps {
		if !slices.Contains(s.steps, hash) {
			faults = append(faults, "a step that was whole is lost")
		}
	}
	return faults
}

// complete says what a run lacks beside one that was never disturbed, and how many
// sessions were due in that and this tells of, whatever became of them. No server counts
// what it was asked: steps that a blow broke off were asked for, too.
func (s *seen) complete(whole *seen) (faults []string, requests, accounted int64) {
	faults = append(faults, s.problems...)
	faults = append(faults, s.others...)
	got, want := slices.Sorted(maps.Keys(s.done)), slices.Sorted(maps.Keys(whole.done))
	if !slices.Equal(got, want) {
		faults = append(faults, fmt.Sprintf("cells %v are done, want %v", got, want))
	}
	for key, due := range whole.due {
		requests += due
		accounted += s.due[key]
		if s.due[key] != due {
			faults = append(faults, fmt.Sprintf("%s, step %d, %s: %d sessions, want %d", key.cell, key.step, key.service, s.due[key], due))
		}
	}
	return faults, requests, accounted
}

// cards tells how the simulated GPUs stand, in the command's own words.
func (s *sweeper) cards(ctx context.Context) (string, error) {
	g, err := s.carryOut(ctx, []string{"gpu", "inspect", "--sim", "pro6000x1", "--sim-dir", s.gpus()}, 0)
	if err != nil {
		return "", err
	}
	return g.text(), nil
}

// remains says what is left of a run that has ended: processes, temporary files, locks,
// sockets, and a journal that waits.
func (s *sweeper) remains() ([]string, error) {
	all, err := s.left()
	if err != nil {
		return nil, err
	}
	return all, filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch name := d.Name(); {
		case d.IsDir() && path == filepath.Join(s.run(), "aside"):
			return filepath.SkipDir // as it was when its cell broke off
		case strings.HasPrefix(name, "."):
			all = append(all, path+", which was being written")
		case d.Type()&(fs.ModeSocket|fs.ModeNamedPipe) != 0:
			all = append(all, fmt.Sprintf("%s (%s)", path, d.Type()))
		case name == "journal.json":
			all = append(all, path+" waits to be put back")
		case name == "lock" || strings.HasSuffix(name, ".lock"):
			held, err := locked(path)
			if held {
				all = append(all, path+" is locked")
			}
			return err
		}
		return nil
	})
}

// locked reports whether somebody holds the lock of a file.
func locked(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close() // lets ours go
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
