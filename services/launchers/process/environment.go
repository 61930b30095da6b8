package process

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Passed are the variables of our own environment that every instance gets, if
// they are set: where programs, libraries (CUDA's among them), the user's files
// and temporary ones are, and the language and time zone of logs. Nothing else is
// passed on: not our CUDA_VISIBLE_DEVICES, nor another's MPS folders or secrets.
var Passed = []string{"PATH", "LD_LIBRARY_PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "TZ"}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// checkEnv finds faults of env and pass_env.
func checkEnv(c Config) (faults []error) {
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		switch {
		case !variable.MatchString(name):
			faults = append(faults, fmt.Errorf("env: %q is no variable's name", name))
		case secret(name) && c.Env[name] != "":
			faults = append(faults, fmt.Errorf("env.%s looks like a secret, which would stand in the results; set it in evabench's own environment and say pass_env: [%s]", name, name))
		}
	}
	for _, name := range c.PassEnv {
		if !variable.MatchString(name) {
			faults = append(faults, fmt.Errorf("pass_env: %q is no variable's name", name))
		}
	}
	return faults
}

// secret reports whether a variable's name is such as secrets have.
func secret(name string) bool {
	for _, end := range []string{"TOKEN", "SECRET", "PASSWORD", "API_KEY", "ACCESS_KEY"} {
		if name == end || strings.HasSuffix(name, "_"+end) {
			return true
		}
	}
	return false
}

// checkPassed asks that every variable of pass_env is set.
func (l *launcher) checkPassed() error {
	var faults []error
	for _, name := range l.config.PassEnv {
		if os.Getenv(name) == "" {
			faults = append(faults, fmt.Errorf("pass_env: %s is not set in evabench's environment", name))
		}
	}
	return errors.Join(faults...)
}

// environment is an instance's whole environment: ours as far as it is passed,
// then env, then the device's, each over the one before. Overridden are the names
// of env that the device's took.
func (l *launcher) environment(v *values, ofDevice map[string]string) (env map[string]string, overridden []string, err error) {
	env = map[string]string{}
	for _, name := range slices.Concat(Passed, l.config.PassEnv) {
		if value, ok := os.LookupEnv(name); ok {
			env[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		if env[name], err = l.env[name].expand(v.value); err != nil {
			return nil, nil, fmt.Errorf("env.%s: %w", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ofDevice)) {
		if _, ok := l.env[name]; ok && env[name] != ofDevice[name] {
			overridden = append(overridden, name)
		}
		env[name] = ofDevice[name]
	}
	return env, overridden, nil
}

// minHidden is how long a secret is at least to be hidden in logs: a shorter one
// would blot out common text.
const minHidden = 8

// hidden is what stands for the values of pass_env in logs.
func (l *launcher) hidden() map[string]string {
	hide := map[string]string{}
	for _, name := range l.config.PassEnv {
		if value := os.Getenv(name); len(value) >= minHidden {
			hide[value] = "[" + name + "]"
		}
	}
	return hide
}

// errNotYet says that something depends on the instance.
var errNotYet = errors.New("it is known at launch only")

// workingFolder gives the working folder, which must be there; without values
// only if it is the same for every instance.
func (l *launcher) workingFolder(v *values) (string, error) {
	if v == nil && !l.folder.fixed() {
		return "", errNotYet
	}
	text, err := l.folder.expand(v.value)
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
	if p, ok := l.config.Env["PATH"]; ok && l.env["PATH"].fixed() {
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
