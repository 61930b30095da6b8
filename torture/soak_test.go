package main

import (
	"strings"
	"testing"
	"time"
)

// Each kind of growth is seen, just above what may differ, and none just below.
func TestGrown(t *testing.T) {
	then := use{memory: 80 << 20, files: 20, tasks: 12}
	for _, c := range []struct {
		name string
		now  use
		want string
	}{
		{"the same", then, ""},
		{"less", use{memory: 1, files: 1, tasks: 1}, ""},
		{"just as much", use{memory: 100<<20 + soakMemory, files: 20 + soakFiles, tasks: 18}, ""},
		{"memory", use{memory: 100<<20 + soakMemory + 1, files: 20, tasks: 12}, "130023425 bytes of memory, at first 83886080"},
		{"descriptors", use{memory: 80 << 20, files: 21 + soakFiles, tasks: 12}, "89 descriptors, at first 20"},
		{"threads", use{memory: 80 << 20, files: 20, tasks: 19}, "19 threads, at first 12"},
		{"unseen", use{}, "nobody looked at its bytes of memory; nobody looked at its descriptors; nobody looked at its threads"},
	} {
		if got := strings.Join(c.now.grown(then), "; "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	got := mostOf([]use{{at(1), 9, 9, 9}, {at(2), 1, 5, 2}, {at(3), 4, 2, 2}, {at(4), 9, 9, 9}}, at(2), at(4))
	if got != (use{memory: 4, files: 5, tasks: 2}) {
		t.Errorf("got %+v", got)
	}
}
