package results

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// A Run is a run directory as it was found. Samples and observations stay on
// the disk until they are asked for. It is read only and safe for concurrent
// use.
type Run struct {
	Dir         string
	Environment Environment
	Scenario    []byte // scenario.yaml, as it was given
	// Cells are in the planned order; those that nobody planned come last.
	Cells []*CellData
	// Missing names the planned cells that are not there or were not finished.
	Missing []string
	// Aside names what was recorded of cells that broke off and were run again: folders
	// in aside/, which nobody reads.
	Aside []string
	// Problems are what could not be read and was left out.
	Problems []Problem
}

// A Problem is a part of a run directory that is not as it should be.
type Problem struct {
	Path string // within the run directory
	Text string
	// Damaged says that something that was whole, or should be there, is not. What a run
	// that broke off leaves is no damage, nor is a scenario that was changed since.
	Damaged bool
}

// CellData is one cell of a Run.
type CellData struct {
	Cell Cell // only Folder is set if the cell was not finished
	// Finished reports whether cell.json is there. The whole steps of an
	// unfinished cell are in Steps all the same.
	Finished  bool
	Layout    Layout
	HasLayout bool        // whether layout.json is there
	Steps     []*StepData // by Index
	run       string
	path      string // within run
	readings  bool   // whether observations.parquet can be read
	// pieces are the files of an unfinished cell's observations.
	pieces []string
}

// StepData is one whole step of a cell.
type StepData struct {
	Step Step
	// Rows is the number of samples, those of the warm-up too.
	Rows int64
	run  string
	path string
}

// Read reads the run directory dir. It is an error if dir is none, or of another
// schema ([ErrSchema]). Where environment.json cannot be read otherwise, and there are
// cells, the Environment is Lost and they are read. Everything else that cannot be read is left out and told
// in Problems; an environment that was changed is read, and told there too.
// Nothing outside dir is read, and no link within it is followed, nor a pipe
// waited for.
func Read(dir string) (*Run, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read run directory: %w", err)
	}
	defer root.Close()
	run := &Run{Dir: dir}
	r := &runReader{root: root, run: run}
	switch err := readJSON(root, environmentFile, &run.Environment); {
	case errors.Is(err, errChanged): // it was read all the same
		r.damage(environmentFile, err)
	case err != nil && !errors.Is(err, ErrSchema) && r.anyCell():
		r.lost(err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read run directory %s: %s: %w; a run directory is what a sweep leaves, such as runs/NAME-TIME", dir, environmentFile, plain(err))
	case err != nil:
		return nil, fmt.Errorf("read run directory %s: %s: %w", dir, environmentFile, plain(err))
	}
	r.scenario()
	r.cells()
	if _, err := root.Lstat(asideFolder); !errors.Is(err, fs.ErrNotExist) {
		run.Aside = r.list(asideFolder)
	}
	return run, nil
}

// A runReader fills a Run and keeps its problems.
type runReader struct {
	root *os.Root
	run  *Run
}

func (r *runReader) problem(path string, err error) {
	r.run.Problems = append(r.run.Problems, Problem{Path: path, Text: err.Error()})
}

func (r *runReader) damage(path string, err error) {
	r.run.Problems = append(r.run.Problems, Problem{Path: path, Text: plain(err).Error(), Damaged: true})
}

func (r *runReader) scenario() {
	text, err := readPlain(r.root, scenarioFile)
	if err != nil {
		r.damage(scenarioFile, err)
		return
	}
	r.run.Scenario = text
	if r.run.Environment.Lost != "" {
		return // its hash is not known
	}
	sum := sha256.Sum256(text)
	if got := hex.EncodeToString(sum[:]); got != r.run.Environment.ScenarioSHA256 {
		r.problem(scenarioFile, fmt.Errorf("it was changed after the run: its hash is %s, the run's was %s", got, r.run.Environment.ScenarioSHA256))
	}
}

// cells reads the planned cells in their order, then those that nobody
// planned by name.
func (r *runReader) cells() {
	there := r.list(cellsFolder)
	order := make(map[string]int)
	for i, folder := range r.run.Environment.Planned {
		if err := checkFolder(folder); err != nil {
			r.damage(environmentFile, err)
			continue
		}
		if _, twice := order[folder]; twice {
			r.damage(environmentFile, fmt.Errorf("the cell %q is planned twice", folder))
			continue
		}
		order[folder] = i
		if !slices.Contains(there, folder) {
			r.run.Missing = append(r.run.Missing, folder)
		}
	}
	for _, folder := range there {
		at := path.Join(cellsFolder, folder)
		err := checkFolder(folder)
		if err == nil {
			err = checkDir(r.root, at)
		}
		if err != nil {
			r.damage(at, err)
			continue
		}
		if _, planned := order[folder]; !planned {
			order[folder] = len(r.run.Environment.Planned)
			r.problem(at, errors.New("nobody planned this cell"))
		}
		cell := r.cell(at, folder)
		r.run.Cells = append(r.run.Cells, cell)
		if !cell.Finished && order[folder] < len(r.run.Environment.Planned) {
			r.run.Missing = append(r.run.Missing, folder)
		}
	}
	slices.SortStableFunc(r.run.Cells, func(a, b *CellData) int {
		return cmp.Compare(order[a.Cell.Folder], order[b.Cell.Folder])
	})
	slices.SortFunc(r.run.Missing, func(a, b string) int { return cmp.Compare(order[a], order[b]) })
}

// list names what is in a folder, sorted. What was being written when a run
// broke off is left out, and told if it is a step.
func (r *runReader) list(folder string) []string {
	if err := checkDir(r.root, folder); err != nil {
		r.damage(folder, err)
		return nil
	}
	dir, err := r.root.Open(folder)
	if err != nil {
		r.damage(folder, err)
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		r.damage(folder, err)
	}
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool {
		if strings.HasPrefix(name, unfinished) {
			r.problem(path.Join(folder, name), errors.New("it was being written when the run broke off"))
		}
		return strings.HasPrefix(name, ".")
	})
}

func (r *runReader) cell(at, folder string) *CellData {
	c := &CellData{run: r.run.Dir, path: at}
	var record cellRecord
	err := readJSON(r.root, path.Join(at, cellFile), &record)
	switch {
	case err == nil && record.Folder != folder:
		r.damage(path.Join(at, cellFile), fmt.Errorf("it is of another cell, %q", record.Folder))
	case err == nil:
		c.Cell, c.Finished = record.Cell, true
		err := checkTable[observationRow](r.root, path.Join(at, observationsFile), record.Observations, record.ObservationsCRC)
		if err != nil {
			r.damage(path.Join(at, observationsFile), err)
		}
		c.readings = err == nil
	case !errors.Is(err, fs.ErrNotExist):
		r.damage(path.Join(at, cellFile), err)
	}
	c.Cell.Folder = folder
	if !c.Finished {
		c.pieces = r.pieces(at)
	}
	var layout layoutRecord
	unlaid := readJSON(r.root, path.Join(at, layoutFile), &layout)
	if unlaid == nil && layout.Cell != folder {
		unlaid = fmt.Errorf("it is of another cell, %q", layout.Cell)
	}
	switch {
	case unlaid == nil:
		c.Layout, c.HasLayout = layout.Layout, true
	case !errors.Is(unlaid, fs.ErrNotExist):
		r.damage(path.Join(at, layoutFile), unlaid)
	}
	steps := path.Join(at, stepsFolder)
	if _, err := r.root.Lstat(steps); !c.Finished && errors.Is(err, fs.ErrNotExist) {
		return c // the run broke off before
	}
	there := r.list(steps)
	if c.Finished && len(there) != record.Steps {
		r.damage(steps, fmt.Errorf("it has %d steps, %d were written", len(there), record.Steps))
	}
	if c.Finished && record.HasLayout && errors.Is(unlaid, fs.ErrNotExist) {
		r.damage(path.Join(at, layoutFile), unlaid)
	}
	for _, name := range there {
		if step := r.step(path.Join(steps, name), name); step != nil {
			c.Steps = append(c.Steps, step)
		}
	}
	slices.SortFunc(c.Steps, func(a, b *StepData) int { return cmp.Compare(a.Step.Index, b.Step.Index) })
	return c
}

// step reads one step, or tells why not and gives nil.
func (r *runReader) step(at, name string) *StepData {
	if err := checkDir(r.root, at); err != nil {
		r.damage(at, err)
		return nil
	}
	var record stepRecord
	file := path.Join(at, stepFile)
	if err := readJSON(r.root, file, &record); err != nil {
		r.damage(file, err)
		return nil
	}
	if cell := path.Base(path.Dir(path.Dir(at))); record.Cell != cell {
		r.damage(file, fmt.Errorf("it is of another cell, %q", record.Cell))
		return nil
	}
	if name != stepName(record.Index) {
		r.damage(file, fmt.Errorf("it is of step %d, its folder is %q", record.Index, name))
		return nil
	}
	samples := path.Join(at, samplesFile)
	if err := checkTable[sampleRow](r.root, samples, record.Samples, record.SamplesCRC); err != nil {
		r.damage(samples, err)
		return nil
	}
	// The log is for others' tools: the step is whole without it.
	log := path.Join(at, latencyFile)
	text, err := readPlain(r.root, log)
	if err == nil {
		err = checkLatencyLog(text, record.Step)
	}
	if err != nil {
		r.damage(log, err)
	}
	return &StepData{Step: record.Step, Rows: record.Samples, run: r.run.Dir, path: samples}
}

// Path is where the step's samples are within the run directory.
func (s *StepData) Path() string { return s.path }

// Samples reads the step's samples, sorted by service, Seq and Attempt. A
// fault is the last thing that it gives, with the file's path.
func (s *StepData) Samples() iter.Seq2[Sample, error] {
	return table[sampleRow](s.run, s.path, readSamples)
}

// Observations reads the cell's observations in the order in which they came
// to the Writer; of an unfinished cell, those of the batches that were whole. A cell
// whose file was damaged or gone when it was read has none: Problems tells that. A fault that shows
// only now is the last thing that it gives, with the file's path.
func (c *CellData) Observations() iter.Seq2[Observation, error] {
	if !c.Finished {
		return c.unfinishedObservations()
	}
	if !c.readings {
		return func(func(Observation, error) bool) {}
	}
	return table[observationRow](c.run, path.Join(c.path, observationsFile), readObservations)
}

// table gives what rows gives of a Parquet file of R within the run directory.
func table[R, T any](run, file string, rows func(*parquet.File) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		root, err := os.OpenRoot(run)
		if err != nil {
			yield(none, fmt.Errorf("read %s: %w", file, err))
			return
		}
		defer root.Close()
		opened, frame, err := openTable[R](root, file)
		if err != nil {
			yield(none, fmt.Errorf("read %s: %w", file, err))
			return
		}
		defer opened.Close()
		if err := checkPages(opened, frame); err != nil {
			yield(none, fmt.Errorf("read %s: %w", file, err))
			return
		}
		for item, err := range rows(frame) {
			if err != nil {
				err = fmt.Errorf("read %s: %w", file, err)
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// openTable opens a Parquet file; the caller closes the file.
func openTable[R any](root *os.Root, name string) (*os.File, *parquet.File, error) {
	file, size, err := openPlain(root, name)
	if err != nil {
		return nil, nil, plain(err)
	}
	frame, err := openRows[R](file, size)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, frame, nil
}

// checkTable checks that a Parquet file is there, whole, of that many rows and that checksum.
// The library knows its pages' own checksums: another file's pages have right ones.
func checkTable[R any](root *os.Root, name string, rows int64, crc uint32) error {
	file, frame, err := openTable[R](root, name)
	if err != nil {
		return err
	}
	defer file.Close()
	if frame.NumRows() != rows {
		return fmt.Errorf("it has %d rows, %d were written", frame.NumRows(), rows)
	}
	sum := crc32.New(castagnoli)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return plain(err)
	}
	if _, err := io.Copy(sum, file); err != nil {
		return plain(err)
	}
	if sum.Sum32() != crc {
		return errChanged
	}
	return nil
}

// readJSON reads one of our JSON files. With [errChanged] it was read all the same.
func readJSON(root *os.Root, name string, into any) error {
	text, err := readPlain(root, name)
	if err != nil {
		return err
	}
	return decode(text, into)
}

// decode reads one JSON document strictly: its schema must be ours, it must hold nothing
// that we do not know, and be as it was written. With [errChanged] it was read all the same.
func decode(text []byte, into any) error {
	text, changed := unseal(text)
	var head struct {
		Schema *int `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return located(text, err)
	}
	switch {
	case head.Schema == nil:
		return fmt.Errorf("it names no %w", ErrSchema)
	case *head.Schema > SchemaVersion:
		return fmt.Errorf("%w %d was written by a newer evabench; this one reads %d", ErrSchema, *head.Schema, SchemaVersion)
	case *head.Schema < SchemaVersion:
		return fmt.Errorf("%w %d was written by an older evabench; this one reads %d", ErrSchema, *head.Schema, SchemaVersion)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return located(text, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the document")
	}
	return changed
}

// located adds the line to a fault of JSON that says where it is.
func located(text []byte, err error) error {
	at := int64(-1)
	if fault, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = fault.Offset
	} else if fault, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at = fault.Offset
	}
	if at < 0 || at > int64(len(text)) {
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(text[:at], []byte("\n")), err)
}

// plain takes the path out of a file system's fault: the Problem says it.
func plain(err error) error {
	if fault, ok := errors.AsType[*fs.PathError](err); ok {
		return fault.Err
	}
	return err
}
