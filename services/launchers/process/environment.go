package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/services/spawn"
)

// Passed are the variables of our own environment that every instance gets, if
// they are set: where programs, libraries (CUDA's among them), the user's files
// and temporary ones are, and the language and time zone of logs. Nothing else is
// passed on: not our CUDA_VISIBLE_DEVICES, nor another's MPS folders or secrets.
var Passed = []string{"PATH", "LD_LIBRARY_PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "TZ"}

// errNotYet says that something depends on the instance.
var errNotYet = errors.New("it is known at launch only")

// workingFolder gives the working folder, which must be there; without values
// only if it is the same for every instance.
func (l *launcher) workingFolder(v *spawn.Values) (string, error) {
	if v == nil && !l.folder.Fixed() {
		return "", errNotYet
	}
	text, err := l.folder.Expand(v.Of)
	if err != nil {
		return "", fmt.Errorf("folder: %w", err)
	}
	folder, err := filepath.Abs(text)
	if err != nil {
		return "", fmt.Errorf("folder: %w", err)
	}
	info, err := os.Stat(folder)
	switch {
	case err != nil:
		return "", fmt.Errorf("folder: %w", err)
	case !info.IsDir():
		return "", fmt.Errorf("folder: %s is no folder", folder)
	}
	return folder, nil
}

// program finds the program as a shell in the working folder would: in the PATH
// that the instance gets, if it has no slash.
func (l *launcher) program(folder, name string) (string, error) {
	path := os.Getenv("PATH")
	if p, ok := l.server.Config.Env["PATH"]; ok && l.server.Env["PATH"].Fixed() {
		path = p
	}
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for _, dir := range filepath.SplitList(path) {
			candidates = append(candidates, filepath.Join(dir, name))
		}
	}
	var found error
	for _, c := range candidates {
		if !filepath.IsAbs(c) {
			c = filepath.Join(folder, c)
		}
		info, err := os.Stat(c)
		switch {
		case err != nil:
			continue
		case info.IsDir() || unix.Access(c, unix.X_OK) != nil:
			found = fmt.Errorf("argv: program %s may not be executed", c)
		default:
			return c, nil
		}
	}
	switch {
	case found != nil:
		return "", found
	case strings.Contains(name, "/"):
		return "", fmt.Errorf("argv: there is no program %s in %s", name, folder)
	default:
		return "", fmt.Errorf("argv: there is no program %q in PATH (%s); install it, or give its whole path", name, path)
	}
}
