package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"
)

// readColumns decodes each page of each samples.parquet below a run directory, and writes
// how many rows there were.
func readColumns(dir string, stdout io.Writer) error {
	files, err := filepath.Glob(filepath.Join(dir, "cells", "*", "steps", "*", "samples.parquet"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s holds no samples", dir)
	}
	var rows atomic.Int64
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range files {
		all.Go(func() error {
			n, err := readFile(name)
			rows.Add(n)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, rows.Load())
	return err
}

func readFile(name string) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return 0, err
	}
	file, err := parquet.OpenFile(f, stat.Size())
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	for _, group := range file.RowGroups() {
		for _, chunk := range group.ColumnChunks() {
			if err := readPages(chunk.Pages()); err != nil {
				return 0, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return file.NumRows(), nil
}

func readPages(pages parquet.Pages) error {
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		parquet.Release(page)
	}
}

// firstLine gives a text's first line.
func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(line)
}
