package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// pathKeys are the keys of a scenario whose values are files or folders.
var pathKeys = []string{"file", "folder", "ca_file", "cert_file", "key_file", "api_key_file"}

// elsewhere tells, of a run that was begun in another working folder, which relative paths
// would lead to other files here.
func (g *goingOn) elsewhere() []string {
	here, err := os.Getwd()
	first := g.begunIn()
	if err != nil || first == "" || sameFolder(first, here) {
		return nil
	}
	var tree any
	if err := yaml.Unmarshal(g.run.Scenario, &tree); err != nil {
		return nil // it is told where the scenario is read
	}
	paths := relativePaths(tree, "", []string{first, here})
	if len(paths) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("it was begun in %s, and here, in %s, relative paths of its scenario lead to other files (%s); resume it from there",
		first, here, strings.Join(paths, ", "))}
}

// begunIn is the working folder of the first session; empty if it is not known.
func (g *goingOn) begunIn() string {
	if len(g.run.Environment.Sessions) == 0 {
		return ""
	}
	return g.run.Environment.Sessions[0].Folder
}

// sameFolder reports whether two paths lead to one folder.
func sameFolder(a, b string) bool {
	if a == b {
		return true
	}
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	two, err := os.Stat(b)
	return err == nil && os.SameFile(one, two)
}

// relativePaths gives the relative paths in a part of a scenario, each with its place. What
// programs are given is one if it is there in one of the folders.
func relativePaths(part any, at string, folders []string) []string {
	var all []string
	add := func(at, path string) { all = append(all, strings.TrimPrefix(at, ".")+": "+path) }
	switch part := part.(type) {
	case []any:
		for i, item := range part {
			all = append(all, relativePaths(item, fmt.Sprintf("%s[%d]", at, i), folders)...)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(part)) {
			at := at + "." + key
			if path, ok := part[key].(string); ok && slices.Contains(pathKeys, key) && relative(path) {
				add(at, path)
			}
			all = append(all, relativePaths(part[key], at, folders)...)
		}
		if folder, _ := part["folder"].(string); folder != "" || part["image"] != nil {
			break // its arguments begin there, or in the container
		}
		for _, key := range []string{"argv", "env"} {
			for _, text := range texts(part[key]) {
				if relative(text) && (strings.HasPrefix(text, ".") || isIn(folders, text)) {
					add(at+"."+key, text)
				}
			}
		}
	}
	return all
}

// relative reports whether a path begins in the working folder. {dir} is a whole path.
func relative(path string) bool {
	return path != "" && !filepath.IsAbs(path) && !strings.HasPrefix(path, "{dir}")
}

// texts gives what may name a file in arguments or variables, "--name=" taken away.
func texts(part any) []string {
	var all []string
	switch part := part.(type) {
	case []any:
		for i, item := range part {
			text, _ := item.(string)
			if i == 0 && !strings.Contains(text, "/") {
				continue // a program of PATH
			}
			if _, value, ok := strings.Cut(text, "="); ok && strings.HasPrefix(text, "-") {
				text = value
			}
			all = append(all, text)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(part)) {
			text, _ := part[key].(string)
			all = append(all, text)
		}
	}
	return all
}

// isIn reports whether one of the folders has a path.
func isIn(folders []string, path string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		_, err := os.Lstat(filepath.Join(folder, path))
		return err == nil
	})
}
