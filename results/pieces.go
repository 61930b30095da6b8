package results

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"path"
	"path/filepath"
	"slices"
)

// piecesFolder holds the batches of a cell's observations as they came, each whole,
// until the cell is closed: what was read of servers and GPUs outlives a crash.
const piecesFolder = "observations"

// pieces is what a cell has been given of observations.
type pieces struct {
	n    int           // files
	held []Observation // that the disk refused
}

func pieceName(i int) string { return fmt.Sprintf("%04d.parquet", i) }

// Observations adds a batch and has it on the disk when it returns nil. What the
// disk refuses is tried once more, and told by a warning of the cell; what it refuses
// again is kept, for the next batch or Close. The batches are one file when the cell is
// closed.
func (c *CellWriter) Observations(batch []Observation) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.addPiece(batch); err != nil {
		return fmt.Errorf("write observations of cell %s: %w", c.folder, err)
	}
	return nil
}

func (c *CellWriter) addPiece(batch []Observation) error {
	if c.closed {
		return errors.New("the cell is closed")
	}
	for _, o := range batch {
		if _, err := rowOfObservation(o); err != nil {
			return err
		}
	}
	c.pieces.held = append(c.pieces.held, batch...)
	again, err := twice("observations were written", func([]Warning) error { return c.writePiece() })
	if err == nil { // else they are not yet
		c.warnings = append(c.warnings, again...)
	}
	return err
}

// writePiece writes what is held.
func (c *CellWriter) writePiece() error {
	if len(c.pieces.held) == 0 {
		return nil
	}
	folder := filepath.Join(c.dir, piecesFolder)
	if c.pieces.n == 0 {
		if err := c.run.disk.RemoveAll(folder); err != nil { // of a try that failed
			return err
		}
		if err := c.run.disk.Mkdir(folder); err != nil {
			return err
		}
	}
	var data bytes.Buffer
	rows := newRows[observationRow](&data)
	if _, err := writeRows(rows, c.pieces.held, rowOfObservation); err != nil {
		return err
	}
	if err := rows.Close(); err != nil {
		return err
	}
	if err := c.run.disk.WriteFile(filepath.Join(folder, pieceName(c.pieces.n)), data.Bytes()); err != nil {
		return err
	}
	c.pieces.n++
	c.pieces.held = nil
	return nil
}

// joinPieces writes all observations as one file, and says how many they are, and the
// checksum of its bytes. The pieces stay until cell.json stands.
func (c *CellWriter) joinPieces() (n int64, crc uint32, err error) {
	if err := c.writePiece(); err != nil {
		return 0, 0, err
	}
	sum := crc32.New(castagnoli)
	err = c.run.disk.WriteFrom(filepath.Join(c.dir, observationsFile), func(w io.Writer) error {
		rows := newRows[observationRow](io.MultiWriter(w, sum))
		for i := range c.pieces.n {
			for batch, err := range batches(table[observationRow](c.dir, path.Join(piecesFolder, pieceName(i)), readObservations)) {
				if err != nil {
					return err
				}
				written, err := writeRows(rows, batch, rowOfObservation)
				if n += written; err != nil {
					return err
				}
			}
		}
		return rows.Close()
	})
	return n, sum.Sum32(), err
}

// batches gives items some thousands at a time; the slice is used again.
func batches[T any](items iter.Seq2[T, error]) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		batch := make([]T, 0, rowBatch)
		for item, err := range items {
			if err != nil {
				yield(nil, err)
				return
			}
			if batch = append(batch, item); len(batch) == rowBatch {
				if !yield(batch, nil) {
					return
				}
				batch = batch[:0]
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

// pieces names the whole pieces of an unfinished cell's observations, in their order.
func (r *runReader) pieces(at string) []string {
	folder := path.Join(at, piecesFolder)
	if _, err := r.root.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return slices.DeleteFunc(r.list(folder), func(name string) bool {
		err := r.piece(path.Join(folder, name))
		if err != nil {
			r.damage(path.Join(folder, name), err)
		}
		return err != nil
	})
}

// piece says what is wrong with a piece; the rows that it should have are not known.
func (r *runReader) piece(name string) error {
	file, _, err := openTable[observationRow](r.root, name)
	if err != nil {
		return err
	}
	return file.Close()
}

// observations gives those of an unfinished cell.
func (c *CellData) unfinishedObservations() iter.Seq2[Observation, error] {
	return func(yield func(Observation, error) bool) {
		for _, name := range c.pieces {
			for o, err := range table[observationRow](c.run, path.Join(c.path, piecesFolder, name), readObservations) {
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
}
