package process

import (
	"errors"
	"fmt"
	"os"

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
	return spawn.Folder(text)
}

// program finds the program in the PATH that the instance gets.
func (l *launcher) program(folder, name string) (string, error) {
	path := os.Getenv("PATH")
	if p, ok := l.server.Config.Env["PATH"]; ok && l.server.Env["PATH"].Fixed() {
		path = p
	}
	return spawn.Program(folder, name, path)
}
