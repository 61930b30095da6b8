// Package evabench holds the tests that look at the project as a whole.
package evabench

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/evabench/evabench/"

// imports says who may import whom within the project. It is a statement of
// design: a change here is a change of the design, and is made together with
// docs/architecture.md. A pattern's * stands for one path element. Packages
// below an "internal" folder of a package count with that package's line.
var imports = map[string][]string{
	// level 0: leaves
	"internal/units":      {},
	"internal/device":     {},
	"internal/kind":       {},
	"internal/nvml":       {},
	"internal/mps":        {"internal/device"},
	"internal/environ":    {},
	"internal/supervise":  {"internal/environ"},
	"internal/disk":       {},
	"internal/clocks":     {},
	"internal/trust":      {},
	"internal/published":  {}, // the guide's tables, letter by letter
	"internal/listening":  {},
	"internal/reference":  {}, // reads sources, imports none
	"internal/screenshot": {},
	"internal/glossary":   {},
	"internal/leaks":      {}, // goroutines that outlive a test, for tests
	"analysis/stats":      {},
	"analysis/luck":       {},
	"sim/model":           {},

	"internal/nvml/nvmltest":   {"internal/nvml"},
	"internal/trust/trusttest": {"internal/trust"},
	"internal/disk/disktest":   {"internal/disk"},
	"internal/mps/*":           {"internal/mps", "internal/device", "internal/environ"},

	// level 1: the facts, and the two that change a server
	"results":      {"internal/device", "internal/disk", "internal/kind", "internal/units"},
	"partition":    {"internal/device", "internal/disk"},
	"services":     {"internal/device", "results"},
	"loadgen/pace": {"results"}, // the loop: it knows moments and sockets, not requests

	"internal/hostile":  {"results"}, // servers that answer anything, for tests
	"internal/queues":   {"results"}, // plain queues in virtual time, of known truth
	"analysis/boundary": {"analysis/stats"},

	// level 2: what drives, reads, describes and judges
	"loadgen":    {"results", "internal/kind", "internal/trust", "loadgen/pace"},
	"collectors": {"results", "internal/kind", "internal/trust"},
	"scenarios":  {"results", "internal/kind", "internal/trust"},
	"analysis":   {"results", "internal/device", "internal/units", "analysis/luck", "analysis/stats"},

	// level 3: kinds know their family; a family's list knows its kinds
	"analysis/search":       {"results", "analysis", "analysis/boundary", "analysis/stats"},
	"analysis/gate":         {"analysis", "internal/units", "results"},
	"analysis/findings":     {"analysis", "analysis/stats", "internal/units", "results"},
	"analysis/recommend":    {"analysis", "analysis/stats", "internal/units", "results"},
	"analysis/search/bench": {"analysis", "analysis/search", "analysis/stats", "internal/queues", "results", "scenarios", "sim/parameters", "sim/virtual"}, // measures the search
	"loadgen/stub":          {},
	"loadgen/images":        {},
	"loadgen/arrivals":      {"loadgen"},
	"loadgen/routers":       {"loadgen", "loadgen/routers/*", "internal/kind"},
	"loadgen/routers/*":     {"loadgen", "internal/kind"},
	"loadgen/workloads":     {"loadgen", "loadgen/workloads/*", "internal/kind"},
	"loadgen/workloads/*":   {"loadgen", "loadgen/images", "results", "internal/kind"},
	"loadgen/endpoints":     {"loadgen", "loadgen/endpoints/*", "internal/kind"},
	"loadgen/endpoints/*":   {"loadgen", "loadgen/pace", "results", "internal/kind", "internal/trust"},
	"loadgen/endpointtest":  {"loadgen", "loadgen/pace", "results", "internal/kind"},
	"collectors/sources":    {"collectors", "collectors/sources/*", "internal/kind"},
	"collectors/sources/*":  {"collectors", "results", "internal/kind", "internal/trust"},
	"collectors/sourcetest": {"collectors", "results", "internal/kind"},
	"partition/backends":    {"partition", "partition/backends/*", "internal/kind"},
	"partition/backends/*":  {"partition", "internal/device", "internal/environ", "internal/kind", "internal/mps", "internal/nvml"},
	"partition/migparted":   {"partition"},
	"partition/export":      {"partition", "partition/migparted", "internal/device"},
	"partition/backendtest": {"partition", "internal/device"},
	"services/launchers":    {"services", "services/launchers/*", "internal/kind"},
	"services/identity":     {"internal/trust"},
	"services/spawn":        {"services", "services/identity", "results", "internal/supervise", "internal/trust"},
	"services/launchers/*":  {"services", "services/identity", "services/spawn", "results", "internal/device", "internal/kind", "internal/supervise", "internal/trust"},
	"services/launchertest": {"services", "results"},
	"report":                {"analysis", "internal/published", "internal/units"},

	// level 4: what puts the parts together
	"report/gated":            {"analysis", "analysis/gate", "internal/units"}, // a gate's outcome in lines and as JUnit XML
	"report/formats":          {"report", "report/formats/*", "internal/units"},
	"report/formats/*":        {"report", "internal/units"},
	"runner":                  {"loadgen", "loadgen/arrivals", "loadgen/pace", "collectors", "partition", "services", "services/spawn", "scenarios", "results", "internal/clocks", "internal/device", "internal/disk", "internal/kind", "internal/units"},
	"progress":                {"analysis", "runner", "results", "internal/units"},
	"progress/*":              {"progress", "results"}, // ways to show it
	"sim/parameters":          {"sim/model"},
	"sim/virtual":             {"sim/model", "sim/parameters", "scenarios", "services", "partition", "partition/backends/nvidia", "runner", "loadgen", "loadgen/routers", "loadgen/workloads", "loadgen/workloads/agent", "results", "internal/device", "internal/kind", "internal/mps", "internal/nvml", "internal/queues"},
	"sim/fit":                 {"sim/virtual", "sim/parameters", "scenarios", "results", "internal/published"},
	"sim":                     {"sim/model", "sim/parameters", "runner", "scenarios", "loadgen", "collectors", "partition", "partition/backends/nvidia", "services", "results", "internal/device", "internal/environ", "internal/kind", "internal/mps", "internal/mps/*", "internal/nvml"},
	"internal/host":           {"results"},
	"internal/doctor":         {"internal/listening", "internal/mps", "internal/units", "partition", "results"},
	"internal/propose":        {"internal/listening", "internal/units", "partition"},
	"internal/roofline":       {"loadgen", "loadgen/arrivals", "loadgen/endpoints", "loadgen/endpoints/*", "loadgen/pace", "loadgen/routers", "loadgen/stub", "results", "internal/environ", "internal/kind"},
	"internal/licences":       {}, // lists the modules that all is built from
	"internal/tinygguf":       {},
	"internal/tinygguf/cmd/*": {"internal/tinygguf"},

	// level 5: wiring
	"cmd/evabench":            {"**"},
	"bench":                   {"internal/roofline", "loadgen/stub", "results"}, // measures the command from outside
	"gpucheck":                {"analysis", "results"},                          // drives it on a card, from outside
	"report/bench":            {"results", "internal/device"},                   // makes a large run, and measures the command from outside
	"torture":                 {"internal/hostile", "loadgen/stub", "results"},  // puts it through what goes wrong, from outside
	"analysis/findings/bench": {"analysis"},                                     // drives it on simulated servers with faults, from outside
}

// TestImports holds the table against the code, tests left out.
func TestImports(t *testing.T) {
	seen := 0
	for _, p := range list(t) {
		name, inside := strings.CutPrefix(p.ImportPath, module)
		if !inside {
			continue // the root has tests only
		}
		seen++
		allowed, ok := allowedFor(name)
		if !ok {
			t.Errorf("%s stands in no line of the import table: where does it belong?", name)
			continue
		}
		for _, imported := range p.Imports {
			target, inside := strings.CutPrefix(imported, module)
			if !inside || inOwnFolder(name, target) {
				continue
			}
			if !slices.ContainsFunc(allowed, func(pattern string) bool { return matches(pattern, owner(target)) }) {
				t.Errorf("%s may not import %s", name, target)
			}
		}
	}
	if seen == 0 {
		t.Fatal("no package was looked at")
	}
}

// TestImportTableRefuses proves that the comparison can fail.
func TestImportTableRefuses(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"partition", "internal/device", true},
		{"partition", "loadgen", false},
		{"loadgen/endpoints/torchserve", "loadgen", true},
		{"loadgen/endpoints/torchserve", "loadgen/endpoints/openaichat", false},
		{"report", "results", false},
		{"cmd/evabench", "sim", true},
	} {
		allowed, ok := allowedFor(c.from)
		if !ok {
			t.Errorf("%s is not in the table", c.from)
		}
		got := slices.ContainsFunc(allowed, func(p string) bool { return matches(p, c.to) })
		if got != c.want {
			t.Errorf("%s may import %s: %v, want %v", c.from, c.to, got, c.want)
		}
	}
}

// allowedFor gives the line of the table for a package.
func allowedFor(name string) ([]string, bool) {
	name = owner(name)
	if allowed, ok := imports[name]; ok {
		return allowed, true
	}
	for pattern, allowed := range imports {
		if matches(pattern, name) {
			return allowed, true
		}
	}
	return nil, false
}

// owner gives the package that a folder below "internal" belongs to.
func owner(name string) string {
	if at := strings.Index(name, "/internal/"); at > 0 {
		return name[:at]
	}
	return name
}

// inOwnFolder reports whether a package imports what is its own internal part.
func inOwnFolder(name, target string) bool {
	return owner(target) == owner(name) ||
		strings.Contains(target, "/internal/") && strings.HasPrefix(name, owner(target)+"/")
}

func matches(pattern, name string) bool {
	if pattern == "**" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

type pkg struct {
	ImportPath string
	Imports    []string
}

// list asks the go command for the project's packages, without tests.
func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
