package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim"
)

// TestDocumentedCommands parses every evabench command of every page, of the examples
// for CI and of the container's file: commands and flags exist, and what a preset is said to be is one.
func TestDocumentedCommands(t *testing.T) {
	seen := 0
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range documented(string(text), filepath.Ext(file) == ".md") {
			if err := parses(c); err != nil {
				t.Errorf("%s:%d: %s: %v", file, c.line, strings.Join(c.words, " "), err)
			}
			seen++
		}
	}
	if seen < 60 {
		t.Errorf("%d commands: they are not found any more", seen)
	}
}

// TestDocumentedCommandsAreParsed: a wrong command is seen wherever a page has one.
func TestDocumentedCommandsAreParsed(t *testing.T) {
	page := "Prose: `evabench swep x`, `evabench report --al` and `evabench gate`.\n\n" +
		"    $ sudo evabench sweep pro6000x2 --yes    # no such preset\n" +
		"    bin/evabench report a b\n" +
		"    A=1 evabench gate runs/… --require 'vision.p95 <= 300ms' \\\n        --junti out.xml | tee log\n" +
		"    evabench report --published >all.md && evabench compare\n" +
		"    evabench tells of many things: no command\n    evabench: words\n" +
		"    evabench init --yes --sim pro9000 --out x.yaml\n"
	var wrong []string
	for _, c := range documented(page, true) {
		if parses(c) != nil {
			wrong = append(wrong, fmt.Sprint(c.line, " ", strings.Join(c.words, " ")))
		}
	}
	want := []string{
		"1 swep x", "1 report --al", "3 sweep pro6000x2 --yes", "4 report a b",
		"5 gate runs/… --require vision.p95 <= 300ms --junti out.xml", "7 compare", "8 tells of many things: no command",
		"10 init --yes --sim pro9000 --out x.yaml",
	}
	if !slices.Equal(wrong, want) {
		t.Errorf("got  %q\nwant %q", wrong, want)
	}
}

// documents lists the files whose commands people copy.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != "../.." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "bin", "runs", "node_modules"}, name)) {
			return fs.SkipDir
		}
		ci := filepath.Base(filepath.Dir(path)) == "ci" && filepath.Ext(name) == ".yml"
		if !d.IsDir() && (strings.HasSuffix(name, ".md") || ci || name == "Dockerfile") {
			all = append(all, path)
		}
		return nil
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d documents, %v", len(all), err)
	}
	return all
}

// A documentedCommand is one that a page shows, without the program's name.
type documentedCommand struct {
	words []string
	line  int
	whole bool // in a block of code, to be typed as it is; else mentioned
}

var (
	typed     = regexp.MustCompile(`^(?:[-$] +|run: +)*(?:sudo +)?(?:[A-Z_]+=\S* +)*(?:\./)?(?:bin/)?evabench +([a-z-].*)$`)
	mentioned = regexp.MustCompile("`(?:sudo )?evabench ([a-z-][^`]*)`")
)

// documented gives the commands of a page, or of a file that is code throughout.
func documented(text string, page bool) []documentedCommand {
	var all []documentedCommand
	lines := strings.Split(text, "\n")
	fenced := !page
	for i := 0; i < len(lines); i++ {
		s := strings.TrimSpace(lines[i])
		if page && strings.HasPrefix(s, "```") {
			fenced = !fenced
			continue
		}
		if !fenced && !strings.HasPrefix(lines[i], "    ") {
			for _, m := range mentioned.FindAllStringSubmatch(s, -1) {
				words, _ := shell(m[1])
				all = append(all, documentedCommand{words, i + 1, false})
			}
			continue
		}
		at := i + 1
		for strings.HasSuffix(s, `\`) && i+1 < len(lines) {
			i++
			s = strings.TrimSuffix(s, `\`) + strings.TrimSpace(lines[i])
		}
		for s != "" {
			m := typed.FindStringSubmatch(strings.TrimSpace(s))
			if m == nil {
				_, s = shell(s)
				continue
			}
			var words []string
			words, s = shell(m[1])
			all = append(all, documentedCommand{words, at, true})
		}
	}
	return all
}

// shell splits one command into words as a shell does, without its redirections, and
// gives what follows it on the line.
func shell(s string) (words []string, rest string) {
	var word strings.Builder
	some, skip := false, false
	end := func() {
		if some && !skip {
			words = append(words, word.String())
		}
		skip = skip && !some
		word.Reset()
		some = false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'' || c == '"':
			n := strings.IndexByte(s[i+1:], c)
			if n < 0 {
				word.WriteByte(c)
				continue
			}
			word.WriteString(s[i+1 : i+1+n])
			some, i = true, i+1+n
		case c == ' ':
			end()
		case c == '#' && !some:
			return words, ""
		case c == '>' || c == '<':
			if word.String() == "2" {
				word.Reset()
				some = false
			}
			end()
			skip = true
		case c == '|' || c == ';' || c == '&':
			end()
			return words, strings.TrimLeft(s[i:], "|;& ")
		default:
			word.WriteByte(c)
			some = true
		}
	}
	end()
	return words, ""
}

// parses finds the command and its flags as the program does, and runs nothing.
func parses(d documentedCommand) error {
	root := newRoot(streams{strings.NewReader(""), io.Discard, io.Discard})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	words := slices.Clone(d.words)
	for i, w := range words { // [--yes] may be left out
		words[i] = strings.Trim(w, "[]")
	}
	c, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	args := c.Flags().Args()
	if (c == root || c.HasSubCommands()) && len(args) > 0 {
		return fmt.Errorf("%s has no command %q", c.CommandPath(), args[0])
	}
	if help, _ := c.Flags().GetBool("help"); d.whole && !help {
		if err := c.ValidateArgs(args); err != nil {
			return err
		}
	}
	return known(c, args)
}

var plainName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// known holds the presets and simulated servers of a command against those that there are.
func known(c *cobra.Command, args []string) error {
	var presets, servers []string
	for _, p := range scenarios.Presets() {
		presets = append(presets, p.Name)
	}
	for _, s := range sim.Servers() {
		servers = append(servers, s.Name)
	}
	is := func(what, name string, all []string) error {
		if !plainName.MatchString(name) || slices.Contains(all, name) {
			return nil
		}
		return fmt.Errorf("no %s %q", what, name)
	}
	if f := c.Flags().Lookup("sim"); f != nil && f.Changed {
		if err := is("simulated server", f.Value.String(), servers); err != nil {
			return err
		}
	}
	if len(args) == 0 {
		return nil
	}
	switch c.CommandPath() {
	case "evabench sweep", "evabench doctor", "evabench scenario check", "evabench scenario show":
		return is("preset", args[0], presets)
	case "evabench sim":
		return is("simulated server", args[0], servers)
	}
	return nil
}
