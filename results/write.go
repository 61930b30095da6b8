package results

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/evabench/evabench/internal/disk"
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
	unfinished = disk.Unfinished
)

// ErrSchema is the fault of a file whose schema this program does not read.
var ErrSchema = errors.New("schema")

// A Writer makes one run directory. What has its final name there is whole
// and synced. A Writer is safe for concurrent use; cells may overlap.
type Writer struct {
	dir   string
	began bool
	env   Environment // as it was written last
	mu    sync.Mutex
	disk  *disk.Disk // nil is the real one
}

// Create makes the run directory dir, which must be absent or empty, with the
// scenario as it was given and the environment, whose Schema and
// ScenarioSHA256 are set here. Only the owner may read it.
func Create(dir string, env Environment, scenario []byte) (*Writer, error) {
	return CreateOn(nil, dir, env, scenario)
}

// CreateOn is [Create] on a disk whose operations can be made to fail.
func CreateOn(d *disk.Disk, dir string, env Environment, scenario []byte) (*Writer, error) {
	return create(dir, env, scenario, d)
}

func create(dir string, env Environment, scenario []byte, d *disk.Disk) (*Writer, error) {
	w := &Writer{dir: dir, disk: d}
	if err := w.disk.MkdirAll(dir); err != nil {
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
	err = w.disk.Mkdir(filepath.Join(dir, cellsFolder))
	if err == nil {
		err = w.disk.WriteFile(filepath.Join(dir, scenarioFile), scenario)
	}
	if err == nil {
		err = w.writeEnvironment(env)
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
	env.Schema, env.Measurement = SchemaVersion, MeasurementVersion
	env.Sessions = slices.Clone(env.Sessions) // End changes the last of our own
	for _, folder := range env.Planned {
		if err := checkFolder(folder); err != nil {
			return err
		}
	}
	w.env = env
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
		if err := w.disk.Mkdir(path); err != nil {
			return nil, fmt.Errorf("begin cell %s: %w", folder, err)
		}
	}
	return &CellWriter{run: w, dir: dir, folder: folder}, nil
}

// A CellWriter writes one cell. It is safe for concurrent use.
type CellWriter struct {
	run         *Writer
	dir, folder string

	mu     sync.Mutex
	closed bool
	pieces pieces
	// warnings are of what was written at the second try.
	warnings []Warning
}

// LogDir is the folder for the logs of the cell's services.
func (c *CellWriter) LogDir() string { return filepath.Join(c.dir, logsFolder) }

// Layout writes layout.json, in the place of an earlier one. What the disk refuses is
// tried once more, and told by a warning of the cell.
func (c *CellWriter) Layout(l Layout) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	again, err := twice("the layout was written", func([]Warning) error {
		return c.run.writeJSON(filepath.Join(c.dir, layoutFile), layoutRecord{SchemaVersion, c.folder, l})
	})
	c.warnings = append(c.warnings, again...)
	if err != nil {
		return fmt.Errorf("write layout of cell %s: %w", c.folder, err)
	}
	return nil
}

// Step writes one step, which must be new. It sorts samples by service, Seq
// and Attempt in place; the caller must not change them meanwhile. What the disk
// refuses is tried once more, and told by a warning of the step. When Step returns
// nil the step is on the disk whole; else it is whole or not there.
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
	final := filepath.Join(c.dir, stepsFolder, stepName(step.Index))
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
	record := stepRecord{SchemaVersion, c.folder, int64(len(samples)), crc32.Checksum(rows.Bytes(), castagnoli), step}
	_, err = twice("the step was written", func(again []Warning) error {
		if _, fault := os.Lstat(final); again != nil && fault == nil {
			return err // it is there, and maybe not for long
		}
		record.Warnings = slices.Concat(step.Warnings, again)
		err = c.writeFiles(final, record, rows.Bytes(), latencies)
		return err
	})
	return err
}

// writeFiles writes a step's folder under another name, and gives it its own. What
// cannot have that is removed, as far as the disk allows.
func (c *CellWriter) writeFiles(final string, record stepRecord, rows, latencies []byte) (err error) {
	temp := filepath.Join(filepath.Dir(final), unfinished+filepath.Base(final))
	if err := c.run.disk.RemoveAll(temp); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.run.disk.RemoveAll(temp) // it takes room; the first fault is what is told
		}
	}()
	if err := c.run.disk.Mkdir(temp); err != nil {
		return err
	}
	if err := c.run.writeJSON(filepath.Join(temp, stepFile), record); err != nil {
		return err
	}
	if err := c.run.disk.WriteFile(filepath.Join(temp, samplesFile), rows); err != nil {
		return err
	}
	if err := c.run.disk.WriteFile(filepath.Join(temp, latencyFile), latencies); err != nil {
		return err
	}
	return c.run.disk.Rename(temp, final)
}

// compareSamples orders by service, Seq and Attempt; the rest only makes the
// order whole.
func compareSamples(a, b Sample) int {
	return cmp.Or(
		cmp.Compare(a.Service, b.Service), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Attempt, b.Attempt),
		cmp.Compare(a.Due, b.Due), cmp.Compare(a.Done, b.Done), cmp.Compare(a.Call, b.Call),
	)
}

// Close ends the cell: its observations get their final name, and cell.json
// is written last. Folder is set here, and warnings of the disk are added: what it refuses
// is tried once more. After Close the cell takes nothing more, also if Close failed.
func (c *CellWriter) Close(cell Cell) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.finish(cell); err != nil {
		return fmt.Errorf("close cell %s: %w", c.folder, err)
	}
	return nil
}

func (c *CellWriter) finish(cell Cell) error {
	if c.closed {
		return errors.New("the cell is closed")
	}
	c.closed = true
	var n int64
	var crc uint32
	again, err := twice("observations were put together", func([]Warning) (err error) {
		n, crc, err = c.joinPieces()
		return err
	})
	if err != nil {
		return err
	}
	steps, err := os.ReadDir(filepath.Join(c.dir, stepsFolder))
	if err != nil {
		return err
	}
	steps = slices.DeleteFunc(steps, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), unfinished) })
	_, laid := os.Lstat(filepath.Join(c.dir, layoutFile))
	cell.Folder = c.folder
	warned := slices.Concat(cell.Warnings, c.warnings, again)
	_, err = twice("cell.json was written", func(again []Warning) error {
		cell.Warnings = slices.Concat(warned, again)
		err := c.run.writeJSON(filepath.Join(c.dir, cellFile), cellRecord{SchemaVersion, n, crc, len(steps), laid == nil, cell})
		if err != nil {
			return err
		}
		return c.run.disk.RemoveAll(filepath.Join(c.dir, piecesFolder))
	})
	return err
}

// castagnoli is the polynomial of the checksums, the one that processors have an instruction for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The forms of the JSON files that carry more than their contents.
type (
	stepRecord struct {
		Schema     int    `json:"schema"`
		Cell       string `json:"cell"`           // its folder: steps of two cells may be alike
		Samples    int64  `json:"samples"`        // rows of samples.parquet
		SamplesCRC uint32 `json:"samples_crc32c"` // of its bytes
		Step
	}
	cellRecord struct {
		Schema          int    `json:"schema"`
		Observations    int64  `json:"observations"`        // rows of observations.parquet
		ObservationsCRC uint32 `json:"observations_crc32c"` // of its bytes
		Steps           int    `json:"steps"`               // folders of steps
		HasLayout       bool   `json:"has_layout"`          // whether there is a layout.json
		Cell
	}
	layoutRecord struct {
		Schema int    `json:"schema"`
		Cell   string `json:"cell"` // its folder
		Layout
	}
)
