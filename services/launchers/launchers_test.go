package launchers

import (
	"os"
	"slices"
	"testing"
)

// TestEveryFolderIsListed fails when a launcher stands in no list.
func TestEveryFolderIsListed(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	folders := 0
	for _, e := range entries {
		if e.IsDir() {
			folders++
			if !Kinds.Has(e.Name()) {
				t.Errorf("launchers.go does not list %s", e.Name())
			}
		}
	}
	if folders == 0 || folders != len(Kinds) {
		t.Errorf("%d folders, %d kinds", folders, len(Kinds))
	}
	if names := Kinds.Names(); !slices.IsSorted(names) {
		t.Errorf("not sorted: %v", names)
	}
}
