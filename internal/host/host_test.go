package host

import "testing"

func TestRead(t *testing.T) {
	h, warnings := Read()
	if h.CPUs < 1 || h.OS == "" || h.GoVersion == "" {
		t.Errorf("Read() = %+v", h)
	}
	if h.OS == "linux" && h.MemoryBytes == 0 && len(warnings) == 0 {
		t.Error("memory is unknown and no warning says so")
	}
}
