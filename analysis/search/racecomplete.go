package search

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/evabench/evabench/analysis"
)

// completeRace goes through a raced run once more, cell by cell as it was planned.
func completeRace(s *analysis.Summary) error {
	entries := make([]Entry, 0, len(s.Environment.Planned))
	for _, folder := range s.Environment.Planned {
		e, err := entryOf(folder)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	r, err := NewRace(s.Environment, entries)
	if err != nil {
		return err
	}
	skipped := map[string]bool{}
	for _, e := range entries {
		i := slices.IndexFunc(s.Cells, func(c analysis.Cell) bool { return c.Cell.Folder == e.Folder })
		if why := r.Skip(e.Folder); why != "" && i < 0 {
			skipped[e.Folder] = true
			continue
		} else if i < 0 || why != "" {
			continue // it was not run, or run though it was not to be
		}
		c, err := r.Chooser(e.Folder)
		if err != nil {
			return err
		}
		for _, step := range s.Cells[i].Steps {
			c.run.take(step)
		}
		capacity := c.run.capacity.Capacity()
		s.Cells[i].Capacity = &capacity
	}
	race := r.Race()
	s.Race = &race
	s.Missing = slices.DeleteFunc(s.Missing, func(folder string) bool { return skipped[folder] })
	s.Warnings = slices.DeleteFunc(s.Warnings, func(w analysis.Warning) bool {
		return w.Code == analysis.CellMissing && skipped[w.Where]
	})
	return nil
}

// folderPattern is a planned cell's folder: its number, configuration and replicate.
var folderPattern = regexp.MustCompile(`^[0-9]+-(.+)-r([0-9]+)$`)

func entryOf(folder string) (Entry, error) {
	parts := folderPattern.FindStringSubmatch(folder)
	if parts == nil {
		return Entry{}, fmt.Errorf("the planned cell %q tells no configuration and replicate", folder)
	}
	n, err := strconv.Atoi(parts[2])
	if err != nil {
		return Entry{}, fmt.Errorf("the planned cell %q: %w", folder, err)
	}
	return Entry{Folder: folder, Config: parts[1], Replicate: n}, nil
}
