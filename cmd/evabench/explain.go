package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/glossary"
)

func newExplain(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [TERM…]",
		Short: "Tell what a word of scenarios, results or reports means",
		Long: `Explain tells what a word means: those of scenarios, results and reports, and those of
NVIDIA's and of queueing that they rest on. Without a word it lists all of them.`,
		Example: `  evabench explain MIG
  evabench explain p95
  evabench explain client-limited "little's law"
  evabench explain`,
		RunE: func(_ *cobra.Command, args []string) error { return explain(s.out, args) },
	}
}

// explain prints the words that are asked for, or lists all.
func explain(w io.Writer, asked []string) error {
	if len(asked) == 0 {
		return listTerms(w)
	}
	found, err := termsOf(asked)
	if err != nil {
		return &usageError{err}
	}
	for i, t := range found {
		if i > 0 {
			fmt.Fprintln(w)
		}
		name := t.Name
		if len(t.Also) > 0 {
			name += " (" + strings.Join(t.Also, ", ") + ")"
		}
		if _, err := fmt.Fprintf(w, "%s\n%s\n  see: %s\n", name, foldAt("  "+t.Text, "  "), strings.Join(t.See, ", ")); err != nil {
			return err
		}
	}
	return nil
}

// termsOf finds words. Without quotes, one of several words may be meant by all together.
func termsOf(asked []string) ([]glossary.Term, error) {
	if t, ok := glossary.Find(strings.Join(asked, " ")); ok {
		return []glossary.Term{t}, nil
	}
	var found []glossary.Term
	for _, name := range asked {
		t, ok := glossary.Find(name)
		if !ok {
			hint := `"evabench explain" lists all`
			if near := glossary.Near(name); len(near) > 0 {
				hint = "did you mean " + strings.Join(near, ", ") + "? " + hint
			}
			return nil, fmt.Errorf("explain %q: no such word; %s", name, hint)
		}
		found = append(found, t)
	}
	return found, nil
}

// listTerms lists every word by its subject.
func listTerms(w io.Writer) error {
	for _, g := range glossary.Groups() {
		var names []string
		for _, t := range g.Terms {
			names = append(names, t.Name)
		}
		if _, err := fmt.Fprintf(w, "%s\n%s\n", g.Name, foldAt("  "+strings.Join(names, ", "), "  ")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, "\n\"evabench explain TERM\" tells what one means.")
	return err
}

// termNames are the words in the order of their list.
func termNames() []string {
	var names []string
	for _, g := range glossary.Groups() {
		for _, t := range g.Terms {
			names = append(names, t.Name)
		}
	}
	return names
}
