package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/evabench/evabench/results"
)

// inputsOf tells the files that a scenario measures with, as they are now: traces, and the
// images of folders. What its commands read is not known.
func inputsOf(scenario []byte) ([]results.Input, error) {
	var tree struct {
		Services map[string]struct {
			Load struct {
				File string `yaml:"file"`
			} `yaml:"load"`
			Workload any `yaml:"workload"`
		} `yaml:"services"`
	}
	if err := yaml.Unmarshal(scenario, &tree); err != nil {
		return nil, err
	}
	var paths []string
	for _, s := range tree.Services {
		if s.Load.File != "" {
			paths = append(paths, s.Load.File)
		}
		images, err := imagesOf(s.Workload)
		if err != nil {
			return nil, err
		}
		paths = append(paths, images...)
	}
	slices.Sort(paths)
	var all []results.Input
	for _, path := range slices.Compact(paths) {
		in, err := digest(path)
		if err != nil {
			return nil, fmt.Errorf("read what is measured with: %w", err)
		}
		all = append(all, in)
	}
	return all, nil
}

// imagesOf gives the files of the folders that a part of a workload takes images from.
func imagesOf(part any) (all []string, err error) {
	var parts []any
	switch part := part.(type) {
	case []any:
		parts = part
	case map[string]any:
		if images, ok := part["images"].(map[string]any); ok {
			if folder, _ := images["folder"].(string); folder != "" {
				if all, err = appendImages(all, folder); err != nil {
					return nil, err
				}
			}
		}
		parts = slices.Collect(maps.Values(part))
	}
	for _, p := range parts {
		more, err := imagesOf(p)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// appendImages adds the files that images are read from.
func appendImages(all []string, folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read images: %w", err)
	}
	for _, e := range entries {
		if ext := strings.ToLower(filepath.Ext(e.Name())); !e.IsDir() && (ext == ".jpg" || ext == ".jpeg") {
			all = append(all, filepath.Join(folder, e.Name()))
		}
	}
	return all, nil
}

func digest(path string) (results.Input, error) {
	f, err := os.Open(path)
	if err != nil {
		return results.Input{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return results.Input{Path: path, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, err
}

// mostInputs is how many files that were changed are told each.
const mostInputs = 5

// inputsDiffer tells which files are others than those that the run was begun with.
func inputsDiffer(was, now []results.Input) (why []string) {
	add := func(format string, args ...any) {
		why = append(why, "its cells were measured with other files: "+fmt.Sprintf(format, args...))
	}
	is := map[string]results.Input{}
	for _, in := range now {
		is[in.Path] = in
	}
	for _, in := range was {
		switch n, there := is[in.Path]; {
		case !there:
			add("%s is gone", quoted(in.Path))
		case n != in:
			add("%s was of %d bytes (sha256 %.12s) and is of %d (sha256 %.12s)", quoted(in.Path), in.Bytes, in.SHA256, n.Bytes, n.SHA256)
		}
		delete(is, in.Path)
	}
	for _, path := range slices.Sorted(maps.Keys(is)) {
		add("%s was not there", quoted(path))
	}
	if more := len(why) - mostInputs; more > 0 {
		why = append(why[:mostInputs], fmt.Sprintf("and %d more of its files", more))
	}
	return why
}
