package results

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go"
)

// The names within a run directory.
const (
	scenarioFile     = "scenario.yaml"
	environmentFile  = "environment.json"
	cellsFolder      = "cells"
	cellFile         = "cell.json"
	layoutFile       = "layout.json"
	observationsFile = "observations.parquet"
	logsFolder       = "logs"
	stepsFolder      = "steps"
	stepFile         = "step.json"
	samplesFile      = "samples.parquet"
	latencyFile      = "latency.hlog"
	// unfinished begins the name of what is being written.
	unfinished = ".unfinished-"
)

// ErrSchema is the fault of a file whose schema this program does not read.
var ErrSchema = errors.New("schema")

// A Writer makes one run directory. What has its final name there is whole
// and synced. A Writer is safe for concurrent use; cells may overlap.
type Writer struct {
	dir   string
	began bool
	mu    sync.Mutex
	// before is asked before each change of the disk and may refuse it. It is
	// nil but in tests of what a crash leaves.
	before func(change string) error
}

// Create makes the run directory dir, which must be absent or empty, with the
// scenario as it was given and the environment, whose Schema and
// ScenarioSHA256 are set here. Only the owner may read it.
func Create(dir string, env Environment, scenario []byte) (*Writer, error) {
	return create(dir, env, scenario, nil)
}

func create(dir string, env Environment, scenario []byte, before func(string) error) (*Writer, error) {
	w := &Writer{dir: dir, before: before}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create run directory: %w", err)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("create run directory: %w", err)
	}
	if len(there) > 0 {
		return nil, fmt.Errorf("create run directory: %s is not empty (it has %s)", dir, there[0].Name())
	}
	sum := sha256.Sum256(scenario)
	env.ScenarioSHA256 = hex.EncodeToString(sum[:])
	err = w.mkdir(filepath.Join(dir, cellsFolder))
	if err == nil {
		err = w.writeFile(filepath.Join(dir, scenarioFile), scenario)
	}
	if err == nil {
		err = w.writeEnvironment(env)
	}
	if err == nil {
		err = syncDir(filepath.Dir(filepath.Clean(dir)))
	}
	if err != nil {
		return nil, fmt.Errorf("create run directory: %w", err)
	}
	return w, nil
}

// Dir is the run directory's path.
func (w *Writer) Dir() string { return w.dir }

// Planned writes env anew, once the cells and the impossible points are
// known. It is an error after the first cell has begun. Schema is set here;
// ScenarioSHA256 stays that of the scenario given to Create.
func (w *Writer) Planned(env Environment) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.began {
		return errors.New("write environment: a cell has already begun")
	}
	scenario, err := os.ReadFile(filepath.Join(w.dir, scenarioFile))
	if err != nil {
		return fmt.Errorf("write environment: %w", err)
	}
	sum := sha256.Sum256(scenario)
	env.ScenarioSHA256 = hex.EncodeToString(sum[:])
	if err := w.writeEnvironment(env); err != nil {
		return fmt.Errorf("write environment: %w", err)
	}
	return nil
}

func (w *Writer) writeEnvironment(env Environment) error {
	env.Schema = SchemaVersion
	for _, folder := range env.Planned {
		if err := checkFolder(folder); err != nil {
			return err
		}
	}
	return w.writeJSON(filepath.Join(w.dir, environmentFile), env)
}

// Cell begins the cell whose folder has that name; it must be new. The caller
// must Close it, also when the cell failed.
func (w *Writer) Cell(folder string) (*CellWriter, error) {
	if err := checkFolder(folder); err != nil {
		return nil, fmt.Errorf("begin cell: %w", err)
	}
	w.mu.Lock()
	w.began = true
	w.mu.Unlock()
	dir := filepath.Join(w.dir, cellsFolder, folder)
	if _, err := os.Lstat(dir); err == nil {
		return nil, fmt.Errorf("begin cell: %s is already there", dir)
	}
	for _, path := range []string{dir, filepath.Join(dir, logsFolder), filepath.Join(dir, stepsFolder)} {
		if err := w.mkdir(path); err != nil {
			return nil, fmt.Errorf("begin cell %s: %w", folder, err)
		}
	}
	return &CellWriter{run: w, dir: dir, folder: folder}, nil
}

// A CellWriter writes one cell. It is safe for concurrent use.
type CellWriter struct {
	run         *Writer
	dir, folder string

	mu           sync.Mutex
	closed       bool
	observations *observationWriter
}

type observationWriter struct {
	file *os.File
	rows *parquet.GenericWriter[observationRow]
	n    int64
}

// LogDir is the folder for the logs of the cell's services.
func (c *CellWriter) LogDir() string { return filepath.Join(c.dir, logsFolder) }

// Layout writes layout.json, in the place of an earlier one.
func (c *CellWriter) Layout(l Layout) error {
	err := c.run.writeJSON(filepath.Join(c.dir, layoutFile), layoutRecord{SchemaVersion, l})
	if err != nil {
		return fmt.Errorf("write layout of cell %s: %w", c.folder, err)
	}
	return nil
}

// Step writes one step, which must be new. It sorts samples by service, Seq
// and Attempt in place; the caller must not change them meanwhile. When it
// returns nil the step is on the disk whole; else it is not there.
func (c *CellWriter) Step(step Step, samples []Sample) error {
	if err := c.writeStep(step, samples); err != nil {
		return fmt.Errorf("write step %d of cell %s: %w", step.Index, c.folder, err)
	}
	return nil
}

func (c *CellWriter) writeStep(step Step, samples []Sample) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("the cell is closed")
	}
	if step.Index < 0 {
		return errors.New("the index is negative")
	}
	steps := filepath.Join(c.dir, stepsFolder)
	final := filepath.Join(steps, fmt.Sprintf("%02d", step.Index))
	if _, err := os.Lstat(final); err == nil {
		return errors.New("it is already there")
	}
	slices.SortFunc(samples, compareSamples)
	var rows bytes.Buffer
	table := newRows[sampleRow](&rows)
	if _, err := writeRows(table, samples, rowOfSample); err != nil {
		return err
	}
	if err := table.Close(); err != nil {
		return err
	}
	latencies, err := latencyLog(step, samples)
	if err != nil {
		return err
	}
	temp := filepath.Join(steps, unfinished+filepath.Base(final))
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	if err := c.run.mkdir(temp); err != nil {
		return err
	}
	record := stepRecord{SchemaVersion, int64(len(samples)), step}
	err = c.run.writeJSON(filepath.Join(temp, stepFile), record)
	if err == nil {
		err = c.run.writeFile(filepath.Join(temp, samplesFile), rows.Bytes())
	}
	if err == nil {
		err = c.run.writeFile(filepath.Join(temp, latencyFile), latencies)
	}
	if err == nil {
		err = c.run.rename(temp, final)
	}
	return err
}

// compareSamples orders by service, Seq and Attempt; the rest only makes the
// order whole.
func compareSamples(a, b Sample) int {
	return cmp.Or(
		cmp.Compare(a.Service, b.Service), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Attempt, b.Attempt),
		cmp.Compare(a.Due, b.Due), cmp.Compare(a.Done, b.Done), cmp.Compare(a.Call, b.Call),
	)
}

// Observations adds a batch. The batches have their final name when the cell
// is closed; a cell that was never closed has none.
func (c *CellWriter) Observations(batch []Observation) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.addObservations(batch); err != nil {
		return fmt.Errorf("write observations of cell %s: %w", c.folder, err)
	}
	return nil
}

func (c *CellWriter) addObservations(batch []Observation) error {
	if c.closed {
		return errors.New("the cell is closed")
	}
	if c.observations == nil {
		path := filepath.Join(c.dir, unfinished+observationsFile)
		if err := c.run.ask("create " + path); err != nil {
			return err
		}
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		c.observations = &observationWriter{file: file, rows: newRows[observationRow](file)}
	}
	n, err := writeRows(c.observations.rows, batch, rowOfObservation)
	c.observations.n += n
	return err
}

// Close ends the cell: its observations get their final name, and cell.json
// is written last. Folder is set here. After Close the cell takes nothing
// more, also if Close failed.
func (c *CellWriter) Close(cell Cell) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.finish(cell); err != nil {
		return fmt.Errorf("close cell %s: %w", c.folder, err)
	}
	return nil
}

func (c *CellWriter) finish(cell Cell) error {
	err := c.addObservations(nil) // an empty file, if there were none
	c.closed = true
	if err != nil {
		return err
	}
	o := c.observations
	err = o.rows.Close()
	if err == nil {
		err = o.file.Sync()
	}
	if err = errors.Join(err, o.file.Close()); err != nil {
		return err
	}
	if err := c.run.rename(o.file.Name(), filepath.Join(c.dir, observationsFile)); err != nil {
		return err
	}
	cell.Folder = c.folder
	return c.run.writeJSON(filepath.Join(c.dir, cellFile), cellRecord{SchemaVersion, o.n, cell})
}

// The forms of the JSON files that carry more than their contents.
type (
	stepRecord struct {
		Schema  int   `json:"schema"`
		Samples int64 `json:"samples"` // rows of samples.parquet
		Step
	}
	cellRecord struct {
		Schema       int   `json:"schema"`
		Observations int64 `json:"observations"` // rows of observations.parquet
		Cell
	}
	layoutRecord struct {
		Schema int `json:"schema"`
		Layout
	}
)
