package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/propose"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition"
)

// questions asks a person, one line each. An empty line takes the default.
type questions struct {
	ctx   context.Context
	lines chan string
	to    io.Writer
}

// newQuestions reads lines until their end. The reader may wait for ever in a
// terminal: the process ends then.
func newQuestions(ctx context.Context, in io.Reader, to io.Writer) *questions {
	q := &questions{ctx: ctx, lines: make(chan string), to: to}
	go func() {
		defer close(q.lines)
		for r := bufio.NewScanner(in); r.Scan(); {
			select {
			case q.lines <- r.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return q
}

// ask asks until take takes the answer; an empty one takes what is.
func (q *questions) ask(question, is string, take func(string) error) error {
	for {
		fmt.Fprintf(q.to, "%s [%s] ", question, plainLine(is))
		select {
		case <-q.ctx.Done():
			return context.Cause(q.ctx)
		case line, more := <-q.lines:
			if !more {
				return errors.New("the input ended before all was asked; nothing was written (--yes takes the defaults)")
			}
			if line = strings.TrimSpace(line); line == "" {
				return nil
			}
			err := take(line)
			if err == nil {
				return nil
			}
			fmt.Fprintf(q.to, "  %s\n", plain(err.Error()))
		}
	}
}

// all asks for what only a person knows, and shows what was found.
func (q *questions) all(f propose.Facts, a *propose.Answers) error {
	q.found(f)
	steps := []func() error{
		func() error { return q.ask("Name of the scenario", a.Name, text(&a.Name)) },
		func() error {
			return q.ask("What is to be told: table (the same loads for each configuration) or capacity (the largest load that each takes)", a.Goal, oneOf(&a.Goal, propose.Table, propose.Capacity))
		},
	}
	if len(a.GPUs) > 0 {
		steps = append(steps, func() error { return q.ask("GPUs that may be changed", list(a.GPUs), indicesOf(&a.GPUs, f)) })
		if f.Simulated == "" {
			steps = append(steps,
				func() error {
					return q.ask("Vision's models, as TorchServe names them", strings.Join(a.VisionModels, ","), words(&a.VisionModels))
				},
				func() error { return q.ask("The Agent's model, as vLLM loads it", a.AgentModel, text(&a.AgentModel)) })
		}
	}
	steps = append(steps,
		func() error {
			if a.Goal == propose.Capacity {
				return q.ask("Vision requests a second where the search begins", fmt.Sprint(a.VisionRate), above(&a.VisionRate))
			}
			return q.ask("Vision clients at once, at the most", strconv.Itoa(a.VisionUsers), count(&a.VisionUsers))
		},
		func() error {
			return q.ask("Agents at once, at the most", strconv.Itoa(a.AgentUsers), count(&a.AgentUsers))
		},
		func() error {
			return q.ask("Vision's limit: 95 % of answers within", a.VisionLatency.String(), span(&a.VisionLatency))
		},
		func() error {
			return q.ask("The Agent's limit: 90 % of answers within", a.AgentLatency.String(), span(&a.AgentLatency))
		},
		func() error {
			return q.ask("Load that counts, at each step", a.Window.String(), span(&a.Window))
		},
		func() error {
			return q.ask("How often the whole is repeated (three or more tell intervals)", strconv.Itoa(a.Replicates), count(&a.Replicates))
		})
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// found shows what was found.
func (q *questions) found(f propose.Facts) {
	fmt.Fprint(q.to, markOf(f.Simulated))
	for _, g := range f.GPUs.GPUs {
		fmt.Fprintf(q.to, "gpu%d  %s, %s, %s\n", g.Index, plainLine(g.Name), units.Format(float64(g.MemoryBytes), units.Bytes), usersOf(g))
	}
	for _, s := range f.Servers {
		fmt.Fprintf(q.to, "%s, models %s\n", plainLine(s.String()), dash(plainLine(strings.Join(s.Models, ", "))))
	}
}

func usersOf(g partition.GPU) string {
	if len(g.Processes) == 0 {
		return "nobody on it"
	}
	return units.Plural(len(g.Processes), "process") + " on it"
}

// askSimulated asks which simulated server is to stand in where there is nothing.
func (o *initOptions) askSimulated(ctx context.Context, s streams, f propose.Facts) (propose.Facts, propose.Answers, error) {
	q := newQuestions(ctx, s.in, s.err)
	fmt.Fprint(s.err, "There is neither a GPU here nor a server that tells its models. Simulated servers:\n", serverList())
	o.sim = "pro6000x1"
	if err := q.ask("Take a simulated one", o.sim, oneOf(&o.sim, serverNames()...)); err != nil {
		return f, propose.Answers{}, err
	}
	f, err := o.look(ctx, s)
	if err != nil {
		return f, propose.Answers{}, err
	}
	a, err := propose.Defaults(f)
	o.questions = q // the same reader: it may hold lines already
	return f, a, err
}

// What answers are taken.

func text(into *string) func(string) error {
	return func(line string) error { *into = line; return nil }
}

func words(into *[]string) func(string) error {
	return func(line string) error {
		*into = strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' })
		return nil
	}
}

func oneOf(into *string, known ...string) func(string) error {
	return func(line string) error {
		if !slices.Contains(known, line) {
			return fmt.Errorf("%q is none of %s", line, strings.Join(known, ", "))
		}
		*into = line
		return nil
	}
}

func count(into *int) func(string) error {
	return func(line string) error {
		n, err := strconv.Atoi(line)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no whole number from 1 on", line)
		}
		*into = n
		return nil
	}
}

func above(into *float64) func(string) error {
	return func(line string) error {
		v, err := strconv.ParseFloat(line, 64)
		if err != nil || !(v > 0 && v < 1e6) {
			return fmt.Errorf("%q is no number above 0", line)
		}
		*into = v
		return nil
	}
}

func span(into *time.Duration) func(string) error {
	return func(line string) error {
		d, err := time.ParseDuration(strings.ReplaceAll(line, " ", ""))
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is no time above 0; write 300ms, 2s or 5m", line)
		}
		*into = d
		return nil
	}
}

func indicesOf(into *[]int, f propose.Facts) func(string) error {
	return func(line string) error {
		var all []int
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' }) {
			i, err := strconv.Atoi(word)
			if err != nil || !slices.ContainsFunc(f.GPUs.GPUs, func(g partition.GPU) bool { return g.Index == i }) || slices.Contains(all, i) {
				return fmt.Errorf("%q is not one of the GPUs above, by its number, once", word)
			}
			all = append(all, i)
		}
		*into = all
		return nil
	}
}

func list(all []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(all), "[]"), " ", ",")
}
