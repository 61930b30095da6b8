package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// alike says why an instance that is ready is another server than those that cells were
// measured with; nil if it is not, or if it or they told no version.
func (g *goingOn) alike(c scenarios.Cell, i results.Instance) error {
	was := g.versions(i.Service, c.Config)
	if i.Version == "" || len(was) == 0 || slices.Contains(was, i.Version) {
		return nil
	}
	return fmt.Errorf("%s is not resumed: service %s was measured with servers that said %q, and %s says %q: their cells cannot be compared; give it those servers back, or begin a new run with \"evabench sweep %s\"",
		g.run.Dir, i.Service, strings.Join(was, " and "), i.Name, i.Version, quoted(filepath.Join(g.run.Dir, "scenario.yaml")))
}

// versions are what the servers of a service said of themselves in the measured cells of the
// same layout, sharing and parameters: what they say may follow from those.
func (g *goingOn) versions(service string, config results.Config) []string {
	params := paramsText(service, config)
	all := map[string]bool{}
	for _, c := range g.run.Cells {
		was := c.Cell.Config
		if !g.measured[c.Cell.Folder] || was.Layout != config.Layout || was.Sharing != config.Sharing || paramsText(service, was) != params {
			continue
		}
		for _, i := range c.Cell.Instances {
			if i.Service == service && i.Version != "" {
				all[i.Version] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// paramsText tells the parameters of a service in a configuration.
func paramsText(service string, c results.Config) string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(c.Params)) {
		if strings.HasPrefix(name, service+".") {
			text += fmt.Sprintf("%q=%q ", name, c.Params[name])
		}
	}
	return text
}
