package search

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// completeRace goes through a raced run once more, cell by cell as it was planned, up to
// where it broke off if it did.
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
	at := func(e Entry) int {
		return slices.IndexFunc(s.Cells, func(c analysis.Cell) bool { return c.Cell.Folder == e.Folder })
	}
	last := 0 // of those that were run
	for k, e := range entries {
		if at(e) >= 0 {
			last = k
		}
	}
	skipped := map[string]bool{}
	for k, e := range entries {
		i := at(e)
		if k > last && r.Skip(e.Folder) == "" {
			r.brokeOff = true // it is the next to be run
			break
		}
		if why := r.Skip(e.Folder); why != "" && i < 0 {
			skipped[e.Folder] = true
			continue
		} else if i < 0 || why != "" {
			continue // it was not run, or run though it was not to be
		}
		run, err := r.replay(e.Folder, s.Cells[i].Steps, nil)
		if err != nil {
			return err
		}
		capacity := run.capacity.Capacity()
		s.Cells[i].Capacity = &capacity
		r.brokeOff = k == last && s.Cells[i].Cell.Status == results.CellInterrupted
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
