package main

import (
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// Servers are compared with those of all cells before: what nothing explains is a fault, what
// the configuration may be the reason of is a doubt.
func TestServersAlike(t *testing.T) {
	batch := func(n string) results.Config {
		return results.Config{Name: "b" + n, Layout: "off", Workers: map[string]int{"m": 1}, Params: map[string]string{"vision.batch": n}}
	}
	one, two := batch("1"), batch("2")
	workers, placed, layout, shared, routed, others := batch("1"), batch("1"), batch("1"), batch("1"), batch("1"), batch("1")
	workers.Workers = map[string]int{"m": 2}
	placed.Placement, layout.Layout, shared.Sharing, routed.Routing = "apart", "2x2g", "mps", "sticky"
	others.Params = map[string]string{"vision.batch": "1", "agent.x": "1"}
	said := func(name, version string) results.Instance {
		return results.Instance{Service: "vision", Name: name, Version: version}
	}
	container := func(version, image string) results.Instance {
		return results.Instance{Service: "vision", Name: "vision-0", Version: version, Image: image}
	}
	const fine, doubt, fault = "fine", "doubt", "fault"
	for name, c := range map[string]struct {
		was  results.Instance
		then results.Config
		is   results.Instance
		want string
	}{
		"as it was":                    {said("vision-0", "1"), one, said("vision-0", "1"), fine},
		"another":                      {said("vision-0", "1"), one, said("vision-0", "2"), fault},
		"it told nothing":              {said("vision-0", ""), one, said("vision-0", "2"), fine},
		"it tells nothing":             {said("vision-0", "1"), one, said("vision-0", ""), fine},
		"as it was with a parameter":   {said("vision-0", "1"), two, said("vision-0", "1"), fine},
		"another with a parameter":     {said("vision-0", "1"), two, said("vision-0", "2"), doubt},
		"another with workers":         {said("vision-0", "1"), workers, said("vision-0", "2"), doubt},
		"another with a place":         {said("vision-0", "1"), placed, said("vision-0", "2"), doubt},
		"another with a layout":        {said("vision-0", "1"), layout, said("vision-0", "2"), doubt},
		"another with MPS":             {said("vision-0", "1"), shared, said("vision-0", "2"), doubt},
		"another with a router":        {said("vision-0", "1"), routed, said("vision-0", "2"), fault},
		"another for others":           {said("vision-0", "1"), others, said("vision-0", "2"), fault},
		"another service":              {results.Instance{Service: "agent", Name: "agent-0", Version: "1"}, one, said("vision-0", "2"), fine},
		"another instance":             {said("vision-1", "1"), one, said("vision-0", "2"), doubt},
		"an image":                     {container("sha256:a", "x:1"), two, container("sha256:a", "r/x@sha256:d"), fine},
		"another image":                {container("sha256:a", "x:1"), two, container("sha256:b", "x:1"), fault},
		"an image that says otherwise": {container("sha256:a, 8k", "x:1"), two, container("sha256:a, 4k", "x:1"), doubt},
		"another image that says it":   {container("sha256:a, 8k", "x:1"), two, container("sha256:b, 8k", "x:1"), fault},
		"no container any more":        {container("sha256:a", "x:1"), two, said("vision-0", "1"), doubt},
	} {
		t.Run(name, func(t *testing.T) {
			var s servers
			for i, was := range []results.Instance{said("vision-0", ""), c.was} {
				if doubt, err := s.alike(scenarios.Cell{Folder: string('0' + rune(i)), Config: one}, was); doubt != "" || err != nil {
					t.Fatalf("the cells before: %q, %v", doubt, err)
				}
			}
			told, err := s.alike(scenarios.Cell{Folder: "2", Config: c.then}, c.is)
			got := fine
			switch {
			case err != nil:
				got = fault
			case told != "":
				got = doubt
			}
			if got != c.want {
				t.Errorf("%s (%q, %v), want %s", got, told, err, c.want)
			}
			for _, part := range []string{"cell 1", c.was.Version, c.is.Version} {
				if text := told; got != fine && !strings.Contains(text+errText(err), part) {
					t.Errorf("%q, %v do not tell %q", told, err, part)
				}
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Instances of one cell are not compared with each other: slices of a GPU may differ. What
// was said in any cell before is no doubt.
func TestServersOfOneCell(t *testing.T) {
	var s servers
	config := func(n string) results.Config {
		return results.Config{Params: map[string]string{"vision.model": n}}
	}
	for _, c := range []struct {
		folder, model string
		says          []string
		doubts        int
	}{{"0", "a", []string{"8k", "4k"}, 0}, {"1", "b", []string{"4k", "2k"}, 1}, {"2", "a", []string{"8k", "4k"}, 0}, {"3", "b", []string{"4k", "2k"}, 0}} {
		doubts := 0
		for n, says := range c.says {
			i := results.Instance{Service: "vision", Name: "vision-" + string('0'+rune(n)), Version: says}
			doubt, err := s.alike(scenarios.Cell{Folder: c.folder, Config: config(c.model)}, i)
			if err != nil {
				t.Error(err)
			}
			if doubt != "" {
				doubts++
			}
		}
		if doubts != c.doubts {
			t.Errorf("cell %s: %d doubts, want %d", c.folder, doubts, c.doubts)
		}
	}
}

// A run that is gone on with is compared with what it measured, and not with what broke off.
func TestServersOfEarlierSessions(t *testing.T) {
	cell := func(folder, version string) *results.CellData {
		return &results.CellData{Cell: results.Cell{Folder: folder, Instances: []results.Instance{{Service: "vision", Name: "vision-0", Version: version}}}}
	}
	b := &bench{going: &goingOn{
		run:      &results.Run{Cells: []*results.CellData{cell("0", "1"), cell("1", "2")}},
		measured: map[string]bool{"0": true},
	}}
	for version, want := range map[string]string{"1": "", "2": `vision-0 says "2", and in cell 0 vision-0 said "1"`} {
		_, err := b.servers().alike(scenarios.Cell{Folder: "1"}, results.Instance{Service: "vision", Name: "vision-0", Version: version})
		if (err == nil) != (want == "") || !strings.HasPrefix(errText(err), want) {
			t.Errorf("version %s: %v", version, err)
		}
	}
}
