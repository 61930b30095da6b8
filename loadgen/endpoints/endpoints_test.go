package endpoints

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestEveryFolderIsListed(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
		}
	}
	var listed []string
	for _, n := range Kinds.Names() {
		listed = append(listed, strings.ReplaceAll(n, "-", ""))
	}
	if len(folders) == 0 || !slices.Equal(folders, listed) {
		t.Errorf("folders %v, listed %v", folders, listed)
	}
}
