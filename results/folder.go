package results

import (
	"fmt"
	"strings"
	"time"
)

// Folder names the run directory of a scenario started at t:
// "<scenario>-20261121T020304Z". What does not fit a folder's name in the
// scenario's becomes "-".
func Folder(scenario string, t time.Time) string {
	name := strings.Map(func(r rune) rune {
		if fitsFolder(r) {
			return r
		}
		return '-'
	}, scenario)
	name = strings.TrimLeft(name, ".-")
	if name == "" {
		name = "run"
	}
	return name + "-" + t.UTC().Format("20060102T150405Z")
}

func fitsFolder(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+-", r)
}

// checkFolder says why name cannot be a cell's folder: it must be one plain
// element of a path that no shell or file system takes for something else.
func checkFolder(name string) error {
	if name == "" || len(name) > 200 || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") {
		return fmt.Errorf("%q is no name for a cell's folder", name)
	}
	for _, r := range name {
		if !fitsFolder(r) {
			return fmt.Errorf("%q is no name for a cell's folder: %q is not allowed", name, r)
		}
	}
	return nil
}

// stepName is the name of a step's folder.
func stepName(index int) string { return fmt.Sprintf("%02d", index) }
