package search

import "github.com/evabench/evabench/analysis"

// Replay stands for [Race.Chooser] and what it asked for, where a cell was run before and
// its steps are known, as [analysis.Summarize] tells them. Cells that are replayed and
// cells that are run come in their order, and what the race decides afterwards is what it
// would have decided had it seen them run.
func (r *Race) Replay(folder string, steps []analysis.Step) error {
	_, err := r.replay(folder, steps)
	return err
}

func (r *Race) replay(folder string, steps []analysis.Step) (*racing, error) {
	c, err := r.Chooser(folder)
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		c.run.take(step)
	}
	return c.run, nil
}
