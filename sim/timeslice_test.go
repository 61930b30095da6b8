package sim

import "testing"

// A time slice outlives who set it; a GPU that was never set has the default.
func TestTimeSlicesAreKept(t *testing.T) {
	dir := t.TempDir()
	if err := timeSlicesIn(dir).SetTimeSlice(t.Context(), "GPU-a", "short"); err != nil {
		t.Fatal(err)
	}
	for gpu, want := range map[string]string{"GPU-a": "short", "GPU-b": "default"} {
		if got, err := timeSlicesIn(dir).TimeSlice(t.Context(), gpu); err != nil || got != want {
			t.Errorf("TimeSlice(%s) = %q, %v; want %q", gpu, got, err, want)
		}
	}
}
