package spawn

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Folder gives the whole path of a working folder, which must be there; empty
// means ours.
func Folder(text string) (string, error) {
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

// Program finds a program as a shell in the folder would: in the folders of path,
// as PATH has them, if its name has no slash.
func Program(folder, name, path string) (string, error) {
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
	case filepath.IsAbs(name):
		return "", fmt.Errorf("argv: there is no program %s", name)
	case strings.Contains(name, "/"):
		return "", fmt.Errorf("argv: there is no program %s in %s", name, folder)
	default:
		return "", fmt.Errorf("argv: there is no program %q in PATH (%s); install it, or give its whole path", name, path)
	}
}
