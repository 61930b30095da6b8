// Command licences lists the modules that evabench is built from and under which
// licences they are, from what the go command knows and the texts that the modules
// hold. It writes docs/licences.md, and with -texts the texts themselves, which have
// to go with every binary.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	write := flag.String("write", "", "write the list to `FILE` instead of printing it")
	texts := flag.String("texts", "", "write the licences' texts to `FILE`")
	flag.Parse()
	if err := run(*write, *texts, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(write, texts string, out io.Writer) error {
	inside, outside, err := modules()
	if err != nil {
		return err
	}
	page := list(inside, outside)
	if texts != "" {
		if err := os.WriteFile(texts, []byte(together(inside)), 0o644); err != nil {
			return err
		}
	}
	if write != "" {
		err = os.WriteFile(write, []byte(page), 0o644)
	} else {
		_, err = io.WriteString(out, page)
	}
	return errors.Join(err, refused(inside))
}

// A module is one that something is built from.
type module struct {
	Path, Version, Dir string
	Main               bool

	kinds []string // of its texts, in their order
	owner string
	files []string // the texts: licence, notice, patents
}

// What is given to people, and what else is built here: tests and tools.
var (
	product = []string{"-deps", "./cmd/evabench"}
	tests   = []string{"-deps", "-test", "-tags", "real", "./..."}
	tools   = []string{"-deps", "tool"}
)

// modules gives the modules of the product, and those that only tests and tools are
// built from, each sorted by path.
func modules() (inside, outside []module, err error) {
	if inside, err = built(product); err != nil {
		return nil, nil, err
	}
	if outside, err = built(tests, tools); err != nil {
		return nil, nil, err
	}
	return inside, slices.DeleteFunc(outside, func(m module) bool {
		return slices.ContainsFunc(inside, func(in module) bool { return in.Path == m.Path })
	}), nil
}

// built asks the go command which modules are built from, on the platform that
// evabench is for, and reads their licences.
func built(whats ...[]string) ([]module, error) {
	var paths []string
	for _, what := range whats {
		c := exec.Command("go", append([]string{"list", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}"}, what...)...)
		c.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1")
		out, err := output(c)
		if err != nil {
			return nil, err
		}
		if out == "" {
			return nil, fmt.Errorf("go list %v names no module", what)
		}
		paths = append(paths, strings.Fields(out)...)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	out, err := output(exec.Command("go", append([]string{"list", "-m", "-json"}, paths...)...))
	if err != nil {
		return nil, err
	}
	var all []module
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var m module
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if err := m.read(); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		all = append(all, m)
	}
}

func output(c *exec.Cmd) (string, error) {
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, said.String())
	}
	return string(out), nil
}

// aLicence is a file with a licence's text, and aNotice one that has to go with it.
var (
	aLicence = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)`)
	aNotice  = regexp.MustCompile(`(?i)^(notice|patents)`)
)

// read looks for the licences in a module's folder.
func (m *module) read() error {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() || !aLicence.MatchString(e.Name()) && !aNotice.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			return err
		}
		m.files = append(m.files, e.Name())
		if aLicence.MatchString(e.Name()) {
			m.kinds = append(m.kinds, kindsOf(string(text))...)
			if m.owner == "" {
				m.owner = ownerOf(string(text))
			}
		}
	}
	return nil
}

// refused tells which modules of the product may not be given away with it.
func refused(inside []module) error {
	var faults []error
	for _, m := range inside {
		if len(m.kinds) == 0 {
			faults = append(faults, fmt.Errorf("%s has no licence", m.Path))
		}
		for _, kind := range m.kinds {
			if !free[kind] {
				faults = append(faults, fmt.Errorf("%s is under a licence that is %s: may it be given away within evabench?", m.Path, kind))
			}
		}
	}
	return errors.Join(faults...)
}
