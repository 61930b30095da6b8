package search

import (
	"fmt"
	"reflect"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// Replay stands for [Race.Chooser] and what it asked for, where a cell was run before and
// its steps are known, as [analysis.Summarize] tells them. Cells that are replayed and
// cells that are run come in their order, and what the race decides afterwards is what it
// would have decided had it seen them run.
func (r *Race) Replay(folder string, steps []analysis.Step) error {
	_, err := r.replay(folder, steps, nil)
	return err
}

// Recheck is a Replay that fails where the race would not have asked for what was run: plans
// are those of the steps, and done says that the cell ended as it should. The error tells
// the first difference.
func (r *Race) Recheck(folder string, steps []analysis.Step, plans []results.StepPlan, done bool) error {
	run, err := r.replay(folder, steps, func(run *racing, i int) error {
		switch asked := run.capacity.plan(); {
		case run.done:
			return fmt.Errorf("cell %s went on with %s after %d steps, and would end there", folder, inWords(plans[i]), i)
		case !reflect.DeepEqual(asked, plans[i]):
			return fmt.Errorf("step %d of cell %s was %s, and would be %s", i, folder, inWords(plans[i]), inWords(asked))
		}
		return nil
	})
	if err == nil && done && !run.done {
		err = fmt.Errorf("cell %s ended after %d steps, and would go on with %s", folder, len(steps), inWords(run.capacity.plan()))
	}
	return err
}

func inWords(p results.StepPlan) string {
	text := fmt.Sprintf("%s (%s warm-up, %s window", p.Name, p.Warmup, p.Window)
	if p.Heavy {
		text += ", heavy"
	}
	return text + ")"
}

// replay gives each step to the cell, and asks check before it unless that is nil.
func (r *Race) replay(folder string, steps []analysis.Step, check func(run *racing, i int) error) (*racing, error) {
	c, err := r.Chooser(folder)
	if err != nil {
		return nil, err
	}
	for i, step := range steps {
		if check != nil {
			if err := check(c.run, i); err != nil {
				return nil, err
			}
		}
		c.run.take(step)
	}
	return c.run, nil
}
