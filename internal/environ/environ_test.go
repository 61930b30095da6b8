package environ

import (
	"os"
	"slices"
	"testing"
)

func TestOwn(t *testing.T) {
	t.Setenv("TMPDIR", "/somewhere")
	t.Setenv("GOGC", "400")
	t.Setenv("AGENT_KEY", "sk-sesame")
	t.Setenv("GOOGLE_API_KEY", "sk-sesame")
	got := Own()
	for _, want := range []string{"TMPDIR=/somewhere", "GOGC=400", "PATH=" + os.Getenv("PATH")} {
		if !slices.Contains(got, want) {
			t.Errorf("%v lacks %s", got, want)
		}
	}
	for _, no := range []string{"AGENT_KEY=sk-sesame", "GOOGLE_API_KEY=sk-sesame"} {
		if slices.Contains(got, no) {
			t.Errorf("it holds %s", no)
		}
	}
	os.Clearenv() // t.Setenv puts back what it set; the rest is of no other test
	if got := Own(); got == nil || len(got) != 0 {
		t.Errorf("of no environment: %#v, want none of any, and not nil", got)
	}
}
