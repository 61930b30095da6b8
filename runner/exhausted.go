package runner

import (
	"errors"

	"github.com/evabench/evabench/services"
)

// exhausted reads what each instance has counted of memory that ran out: its own
// count, or else an end of its process that shows it. It is nil if no instance can
// tell.
func exhausted(up []running) map[string]int64 {
	var all map[string]int64
	for _, u := range up {
		var n int64
		if e, ok := u.service.(services.Exhausted); ok {
			n = e.OutOfMemory()
		} else if exit, ended := errors.AsType[*services.ExitError](u.service.Err()); ended && exit.OOM != "" {
			n = 1
		} else {
			continue
		}
		if all == nil {
			all = map[string]int64{}
		}
		all[u.service.Info().Name] = n
	}
	return all
}

// exhaustedSince is what came to pass between two readings, 0 too, of the instances
// of which the later one tells; nil if it tells of none.
func exhaustedSince(before, after map[string]int64) map[string]int64 {
	if after == nil {
		return nil
	}
	since := map[string]int64{}
	for name, n := range after {
		since[name] = max(n-before[name], 0)
	}
	return since
}
