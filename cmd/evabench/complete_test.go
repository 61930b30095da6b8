package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// offered is what a shell is offered where the last of the words is begun.
func offered(t *testing.T, words ...string) (list []string, directive string) {
	t.Helper()
	var out strings.Builder
	if err := run(t.Context(), append([]string{"__complete"}, words...), strings.NewReader(""), &out, io.Discard); err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		if d, ok := strings.CutPrefix(line, ":"); ok {
			return list, d
		}
		word, _, _ := strings.Cut(line, "\t")
		list = append(list, word)
	}
	t.Fatalf("%q: no directive in %s", words, &out)
	return nil, ""
}

// The directives, as cobra numbers them.
const (
	offersFiles = "0"
	offersNone  = "4"
	offersDirs  = "16"
)

func TestShellsAreOfferedWhatFits(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"runs/a", "runs/b", "runs/other"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"runs/a/environment.json", "runs/b/environment.json", "mine.yaml", "notes.txt"} {
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		words     string
		has, not  string
		directive string
	}{
		{"swe", "sweep", "", offersNone},
		{"__", "", "__supervise", offersNone},
		{"sweep ", "mine.yaml pro6000x1", "notes.txt", offersNone},
		{"sweep mi", "mine.yaml", "", offersNone},
		{"sweep mine.yaml ", "", "pro6000x1 mine.yaml", offersNone},
		{"sweep --resume ", "runs/a runs/b", "runs/other", offersNone},
		{"sweep x --sim ", "h100x1 pro6000x1", "mine.yaml", offersNone},
		{"sweep x --out ", "", "mine.yaml", offersDirs},
		{"sweep x --json-events ", "", "", offersFiles},
		{"sweep x --mode ", "grid race", "", offersNone},
		{"report ", "runs/a", "runs/other", offersNone},
		{"compare runs/a ", "runs/b", "runs/a", offersNone},
		{"report runs/a --format ", "markdown xlsx", "", offersNone},
		{"compare runs/a runs/b --format ", "xlsx", "vllm-bench", offersNone},
		{"explain t", "TTFT TPOT", "MIG", offersNone},
		{"sim ", "pro6000x1", "", offersNone},
		{"sim pro6000x1 ", "", "pro6000x1", offersNone},
		{"gpu ap", "apply", "", offersNone},
		{"gpu apply off --allow ", "layout time-slice", "", offersNone},
		{"doctor --only ", "disk mig", "", offersNone},
		{"selftest --only ", "streams", "disk", offersNone},
		{"init --goal ", "table capacity", "", offersNone},
	} {
		list, directive := offered(t, strings.Split(c.words, " ")...)
		for _, w := range strings.Fields(c.has) {
			if !slices.Contains(list, w) {
				t.Errorf("%q: %q is not offered: %q", c.words, w, list)
			}
		}
		for _, w := range strings.Fields(c.not) {
			if slices.Contains(list, w) {
				t.Errorf("%q: %q is offered", c.words, w)
			}
		}
		if directive != c.directive {
			t.Errorf("%q: the directive is %s, want %s", c.words, directive, c.directive)
		}
	}
}

// What completions name is there: a command or flag that gets another name is seen here.
func TestCompletionsAreOfCommands(t *testing.T) {
	paths, flags := map[string]bool{}, map[string]bool{}
	for c := range commandsBelow(newRoot(streams{strings.NewReader(""), io.Discard, io.Discard})) {
		paths[c.CommandPath()] = true
		c.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
		if c.ValidArgsFunction == nil && !c.HasSubCommands() {
			t.Errorf("nothing is said of the arguments of %s", c.CommandPath())
		}
	}
	for path := range completions {
		if !paths[path] {
			t.Errorf("there is no command %s", path)
		}
	}
	for name := range flagCompletions {
		if !flags[name] {
			t.Errorf("there is no flag --%s", name)
		}
	}
}

// completesWith is what binds a shell's script to the program's name.
var completesWith = map[string]string{
	"bash": "__start_evabench evabench",
	"zsh":  "#compdef evabench",
	"fish": "complete -c evabench",
}

// Each shell gets a script of this program that asks it, and can read it where the shell
// is installed, as bash is.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var out strings.Builder
		if err := run(t.Context(), []string{"completion", shell}, strings.NewReader(""), &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		for _, has := range []string{"__complete", completesWith[shell]} {
			if !strings.Contains(out.String(), has) {
				t.Errorf("%s: the script has no %q", shell, has)
			}
		}
		if _, err := exec.LookPath(shell); err != nil && shell != "bash" {
			t.Logf("%s is not installed: its script was not read by it", shell)
			continue
		}
		file := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(shell, "-n", file)
		c.Env = append(os.Environ(), "HOME="+t.TempDir()) // fish writes there
		if said, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s cannot read it: %v\n%s", shell, err, said)
		}
	}
}
