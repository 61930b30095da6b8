// Command reference writes docs/reference/scenario.md: every key of a scenario, and the
// arguments of every kind, from the comments and tags of the very structs that decode them.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
)

func main() {
	write := flag.String("write", "", "write the page to `FILE` instead of printing it")
	root := flag.String("root", ".", "the project's `FOLDER`")
	flag.Parse()
	page, err := page(*root)
	if err == nil && *write != "" {
		err = os.WriteFile(*write, []byte(page), 0o644)
	} else if err == nil {
		fmt.Print(page)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

// families are the folders of which each one below is a kind, and where a scenario names it.
var families = []struct{ title, where, folder string }{
	{"Endpoints", "services.S.endpoint", "loadgen/endpoints"},
	{"Workloads", "services.S.workload", "loadgen/workloads"},
	{"Launchers", "services.S.launcher", "services/launchers"},
	{"Sources of pages", "services.S.scrape", "collectors/sources"},
	{"Routers", "matrix.routing", "loadgen/routers"},
	{"Backends", "server.backend", "partition/backends"},
}

const heading = `# Keys of a scenario

Made by "make reference" from the structs that decode scenarios; a test holds it against them. An unknown key is a fault with line and column. "evabench scenario show capacity" is a whole
scenario with comments, and "evabench scenario schema" the JSON Schema for editors. S stands for the name of a service, M for a model's. Spans are written 300ms, 90s, 1h30m.

`

// page makes the page from the sources below root.
func page(root string) (string, error) {
	s := &sources{root: root, packages: map[string]*source{}}
	var b strings.Builder
	b.WriteString(heading)
	keys, err := s.read("scenarios")
	if err != nil {
		return "", err
	}
	b.WriteString("## The file\n\n")
	rows, err := s.keys(keys, "rawScenario", "")
	if err != nil {
		return "", err
	}
	table(&b, rows)
	b.WriteString("\n`server.backend`, and a service's `launcher`, `endpoint`, `workload` and `scrape` name a kind: `torchserve`, or `{kind: torchserve, …}` with arguments as below.\n")
	for _, f := range families {
		if err := s.family(&b, f.title, f.where, f.folder); err != nil {
			return "", err
		}
	}
	if err := s.simulation(&b); err != nil {
		return "", err
	}
	return b.String(), nil
}

// simulation writes the kinds that play a server: no folder has them.
func (s *sources) simulation(b *strings.Builder) error {
	p, err := s.read("sim")
	if err != nil {
		return err
	}
	b.WriteString("\n## Simulated servers\n\nNothing is measured on a GPU with them: [simulator.md](../simulator.md).\n")
	for _, k := range []struct{ title, of string }{
		{"`server.backend: {kind: sim, …}`, the GPUs of a simulated server", "BackendConfig"},
		{"`services.S.launcher: {kind: sim, …}`, simulated instances", "LauncherConfig"},
	} {
		rows, err := s.keys(p, k.of, "")
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "\n### %s\n\n", k.title)
		table(b, rows)
	}
	return nil
}

// docLink is a link of Go's comments, which lead nowhere here.
var docLink = regexp.MustCompile(`\[([A-Z]\w*)\]`)

// A row is one key and what it means.
type row struct{ key, text string }

func table(b *strings.Builder, rows []row) {
	b.WriteString("| key | meaning |\n| --- | --- |\n")
	for _, r := range rows {
		text := docLink.ReplaceAllString(r.text, "$1")
		fmt.Fprintf(b, "| `%s` | %s |\n", r.key, strings.NewReplacer("|", `\|`, "<", `\<`).Replace(text))
	}
}
