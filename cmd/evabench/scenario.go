package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/scenarios"
)

func newScenario(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "scenario",
		Short: "List, show and check scenarios",
		Args:  knownCommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	list := &cobra.Command{
		Use:     "list",
		Short:   "List the presets",
		Example: "  evabench scenario list",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			for _, p := range scenarios.Presets() {
				fmt.Fprintf(s.out, "%-20s %s\n", p.Name, p.About)
			}
			return nil
		},
	}
	show := &cobra.Command{
		Use:     "show NAME",
		Short:   "Print a preset, to be changed into a scenario of your own",
		Example: "  evabench scenario show pro6000x1 > mine.yaml",
		Args:    one("scenario"),
		RunE: func(_ *cobra.Command, args []string) error {
			_, data, err := scenarioFile(args[0])
			if err != nil {
				return err
			}
			_, err = s.out.Write(data)
			return err
		},
	}
	schema := &cobra.Command{
		Use:     "schema",
		Example: "  evabench scenario schema > evabench.schema.json",
		Short:   "Print the JSON Schema of scenarios, for editors",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			data, err := scenarios.Schema()
			if err != nil {
				return err
			}
			_, err = s.out.Write(data)
			return err
		},
	}
	c.AddCommand(list, show, newCheck(s), schema)
	return c
}

func newCheck(s streams) *cobra.Command {
	var on simOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "check SCENARIO",
		Short: "Check a scenario against this program and its server's GPUs; change nothing",
		Long: `Check reads a scenario strictly, builds everything that it names, and plans every
layout on the GPUs as they are now; without an NVIDIA driver, it checks their text
alone, and says so. It shows which instance is placed where and, where models tell
what memory they need, whether that fits. It opens no connection to a service and changes nothing. Faults are told all at once, with file, line and column.`,
		Example: "  evabench scenario check mine.yaml\n  evabench scenario check mine.yaml --sim pro6000x1",
		Args:    one("scenario"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			b, err := open(c.Context(), args[0], openOptions{sim: on, text: true}, s)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, b.close(c.Context())) }()
			memory, err := b.memory()
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(s.out)
				e.SetIndent("", "  ")
				return errors.Join(e.Encode(struct {
					Cells      any `json:"cells"`
					Impossible any `json:"impossible"`
					Misfits    any `json:"misfits,omitempty"` // by configuration
				}{b.cells, b.impossible, memory.misfits()}), memory.refusal())
			}
			if err := memory.refusal(); err != nil {
				return err
			}
			fmt.Fprintf(s.out, "%s: good; %s\n", b.scenario.File, b.extent())
			b.printImpossible(s.out)
			b.printUnreached(s.out)
			memory.print(s.out)
			return nil
		},
	}
	on.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the cells as JSON")
	return c
}

// scenarioFile finds a scenario: a file, else a preset.
func scenarioFile(arg string) (name string, data []byte, err error) {
	data, err = os.ReadFile(arg)
	if err == nil {
		return arg, data, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", nil, &usageError{fmt.Errorf("read scenario: %w; give a YAML file or the name of a preset", err)}
	}
	if data, ok := scenarios.Preset(arg); ok {
		return arg + ".yaml", data, nil
	}
	var names []string
	for _, p := range scenarios.Presets() {
		names = append(names, p.Name)
	}
	return "", nil, &usageError{fmt.Errorf("scenario %q is neither a file nor a preset; %s", arg, kind.Known(arg, names))}
}
