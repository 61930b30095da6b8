package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const head = `# Licences

Made by ` + "`make licences`" + `; a test holds it. evabench itself is under the Apache License 2.0 (` + "`LICENSE`" + `).

Every binary contains the modules of the first table, and their licences ask that the texts go with it:
` + "`make licences`" + ` writes them all to ` + "`bin/THIRD-PARTY.txt`" + `. Every report's HTML page contains parts of Apache ECharts 5.6.0
(Apache-2.0), ZRender 5.6.1 and d3.js (BSD-3-Clause), whose notices stand at the top of the library within the page;
` + "`report/formats/page/echarts/`" + ` holds their texts. Go's own library and runtime are under BSD-3-Clause. NVIDIA's
driver library is opened at run time and is no part of evabench.

`

// list writes both tables.
func list(inside, outside []module) string {
	var b strings.Builder
	b.WriteString(head)
	fmt.Fprintf(&b, "## In the binary: %d modules\n\n", len(inside))
	table(&b, inside)
	fmt.Fprintf(&b, "\n## In tests and tools only: %d modules\n\n", len(outside))
	table(&b, outside)
	return b.String()
}

func table(b *strings.Builder, all []module) {
	b.WriteString("| module | version | licence | whose |\n| --- | --- | --- | --- |\n")
	for _, m := range all {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", m.Path, m.Version, strings.Join(slices.Compact(slices.Sorted(slices.Values(m.kinds))), ", "), strings.ReplaceAll(m.owner, "|", `\|`))
	}
}

// together is every text that has to go with the binary.
func together(inside []module) string {
	var b strings.Builder
	b.WriteString("evabench contains these modules, each under its own licence.\n")
	for _, m := range inside {
		for _, name := range m.files {
			text, err := os.ReadFile(filepath.Join(m.Dir, name))
			if err != nil {
				continue // it was read before
			}
			fmt.Fprintf(&b, "\n%s\n%s %s: %s\n\n%s\n", strings.Repeat("=", 78), m.Path, m.Version, name, strings.TrimSpace(string(text)))
		}
	}
	return b.String()
}
