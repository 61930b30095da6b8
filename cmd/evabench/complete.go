package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evabench/evabench/internal/doctor"
	"github.com/evabench/evabench/internal/roofline"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/report/formats"
	"github.com/evabench/evabench/scenarios"
)

// A completer gives the words that a shell offers, and what the shell does beside.
type completer = cobra.CompletionFunc

// completions are what a command's arguments may be, by its path.
var completions = map[string]completer{
	"evabench sweep":          scenarioNames,
	"evabench doctor":         scenarioNames,
	"evabench scenario show":  scenarioNames,
	"evabench scenario check": scenarioNames,
	"evabench report":         runFolders,
	"evabench gate":           runFolders,
	"evabench compare":        runFolders,
	"evabench explain":        anyOf(termNames),
	"evabench sim":            first(anyOf(serverNames)),
}

// flagCompletions are what the flags of a name may be. Others of one word with DIR in their
// usage are folders; what is left are files to a shell.
var flagCompletions = map[string]completer{
	"sim":      anyOf(serverNames),
	"resume":   runFolders,
	"baseline": runFolders,
	"mode":     anyOf(func() []string { return []string{scenarios.ModeGrid, scenarios.ModeRace} }),
	"goal":     anyOf(func() []string { return []string{"table", "capacity"} }),
	"allow": anyOf(func() (words []string) {
		for _, p := range partition.Permissions() {
			words = append(words, string(p))
		}
		return words
	}),
	"only": anyOf(func() (words []string) {
		for _, c := range doctor.Checks() {
			words = append(words, c.Name)
		}
		return words
	}),
}

// addCompletions tells shells what may stand where, in every command below one.
func addCompletions(c *cobra.Command) {
	for _, sub := range c.Commands() {
		addCompletions(sub)
	}
	if fill, ok := completions[c.CommandPath()]; ok {
		c.ValidArgsFunction = fill
	} else if !c.HasSubCommands() && c.ValidArgsFunction == nil {
		c.ValidArgsFunction = cobra.NoFileCompletions // layouts, which nobody can list, or nothing
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		fill, ok := flagCompletions[f.Name]
		name, _ := pflag.UnquoteUsage(f)
		switch {
		case f.Name == "format" && c.Name() == "compare":
			fill = anyOf(comparisonFormats)
		case f.Name == "format":
			fill = anyOf(formats.Names)
		case f.Name == "only" && c.Name() != "doctor": // phases of the selftest
			fill = anyOf(roofline.Phases)
		case ok:
		case name == "DIR":
			fill = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
		case name == "FILE":
			return
		default:
			fill = cobra.NoFileCompletions
		}
		if err := c.RegisterFlagCompletionFunc(f.Name, fill); err != nil {
			panic(err) // twice the same flag: our own mistake
		}
	})
}

// anyOf offers the words of a list that begin as the user did, and no files. Those of several
// words would need quotes.
func anyOf(words func() []string) completer {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return slices.DeleteFunc(words(), func(w string) bool {
			return strings.Contains(w, " ") || !strings.HasPrefix(strings.ToLower(w), strings.ToLower(begun))
		}), cobra.ShellCompDirectiveNoFileComp
	}
}

// first offers what fill does for the first argument, and nothing after it.
func first(fill completer) completer {
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return fill(c, args, begun)
	}
}

// scenarioNames offers the presets and the YAML files that are here.
func scenarioNames(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, _ := filepath.Glob(escaped(begun) + pattern) // a bad pattern finds nothing
		names = append(names, found...)
	}
	if len(names) == 0 && slices.Contains([]byte(begun), filepath.Separator) {
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	for _, p := range scenarios.Presets() {
		names = append(names, cobra.CompletionWithDesc(p.Name, p.About))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// escaped is a name in which Glob sees no pattern.
func escaped(name string) string {
	var to []byte
	for i := range len(name) {
		if slices.Contains([]byte(`*?[\`), name[i]) {
			to = append(to, '\\')
		}
		to = append(to, name[i])
	}
	return string(to)
}

// runFolders offers run directories: those of runs/, or whatever folder a shell finds.
func runFolders(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	var runs []string
	for _, below := range []string{escaped(begun), "runs/"} {
		found, _ := filepath.Glob(below + "*")
		for _, dir := range found {
			_, err := os.Stat(filepath.Join(dir, "environment.json"))
			if err == nil && !slices.Contains(args, dir) && !slices.Contains(runs, dir) {
				runs = append(runs, dir)
			}
		}
	}
	if len(runs) == 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return runs, cobra.ShellCompDirectiveNoFileComp
}
