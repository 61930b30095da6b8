package spawn

import (
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestShow(t *testing.T) {
	t.Setenv("HF_TOKEN", "sesame")
	c := Config{Env: map[string]string{"B": "two words", "A": "{port}"}, PassEnv: []string{"HF_TOKEN"}}
	got := c.Show("/srv/my models", []string{"vllm", "serve", "it's", "", "$(id)"})
	if want := `cd '/srv/my models' && A={port} B='two words' HF_TOKEN="$HF_TOKEN" vllm serve 'it'\''s' '' '$(id)'`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What is shown is what a shell would run, whatever the arguments hold.
func TestQuote(t *testing.T) {
	check := func(t interface{ Errorf(string, ...any) }, args []string) {
		var quoted, want strings.Builder
		for _, arg := range args {
			quoted.WriteString(" " + Quote(arg))
			want.WriteString(arg + "\x00")
		}
		out, err := exec.Command("/bin/sh", "-c", `printf '%s\0'`+quoted.String()).Output()
		if err != nil || string(out) != want.String() {
			t.Errorf("%q, quoted%s, is %q to a shell (%v)", args, quoted.String(), out, err)
		}
	}
	check(t, []string{"", "a", "it's", "$(id)", "`id`", "a\nb", "~", "*", `--x="y"`, "ü", "{a,b}", "{1..3}", "a;b", "#", `\`, "-n", "a=b", "!!"})
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.SliceOfN(rapid.StringMatching(`[ -~\t\nüé]{0,12}`), 1, 20).Draw(t, "args"))
	})
}
