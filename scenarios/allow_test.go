package scenarios

import (
	"slices"
	"strings"
	"testing"
)

// Every word of the allow list is taken, and stays in the file's order.
func TestReadTakesEveryPermission(t *testing.T) {
	words := AllowWords()
	slices.Reverse(words)
	text := change(t, "name: small", "name: small\nserver: {backend: nvidia, allow: ["+strings.Join(words, ", ")+"]}")
	s, err := Read("f.yaml", []byte(text), checks())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Server.Allow, words) || len(words) == 0 {
		t.Errorf("allow is %q, want %q", s.Server.Allow, words)
	}
}
