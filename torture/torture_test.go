package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/leaks"
)

// scratch is the folder that built makes, empty until then.
var scratch string

// built is the evabench that the tests drive: EVABENCH_BIN, or one that is built once
// for all of them.
var built = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("EVABENCH_BIN"); path != "" {
		return filepath.Abs(path)
	}
	var err error
	if scratch, err = os.MkdirTemp("", "torture-test-*"); err != nil {
		return "", err
	}
	path := filepath.Join(scratch, "evabench")
	out, err := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/evabench/evabench/cmd/evabench").CombinedOutput()
	if err != nil {
		return path, errors.New(string(out))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	runAsked()
	code := m.Run()
	if err := leaks.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if scratch != "" {
		os.RemoveAll(scratch)
	}
	os.Exit(code)
}

// testBed is a bed for a class in a test.
func testBed(t *testing.T) *bed {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatalf("build evabench: %v", err)
	}
	b, err := newBed(path, t.TempDir(), 1, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Each way for a row to be unsound is seen, and none in a sound one.
func TestWrong(t *testing.T) {
	sound := func() row {
		return row{class: class{name: "x"}, n: 2, tally: tally{tried: 2, survived: 2, requests: 7, accounted: 7}}
	}
	for _, c := range []struct {
		spoil func(*row)
		want  string
	}{
		{func(*row) {}, ""},
		{func(r *row) { r.survived = 1 }, "1 of 2 faults survived"},
		{func(r *row) { r.tried, r.survived = 1, 1 }, "1 faults tried, 2 were to be"},
		{func(r *row) { r.accounted = 6 }, "7 requests made, 6 accounted for"},
		{func(r *row) { r.accounted = 8 }, "7 requests made, 8 accounted for"},
		{func(r *row) { r.left = []string{"process 7: mps"} }, "left behind: process 7: mps"},
		{func(r *row) { r.faults = []string{"seed 3: torn"} }, "seed 3: torn"},
		{func(r *row) { r.err = errors.New("no port") }, "could not be tried: no port"},
	} {
		r := sound()
		c.spoil(&r)
		if got := strings.Join(r.wrong(), "\n"); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		if err := judged([]row{sound(), r}); (err == nil) != (c.want == "") {
			t.Errorf("%q: judged as %v", c.want, err)
		}
	}
	if judged(nil) == nil {
		t.Error("nothing tried is taken for sound")
	}
}

func TestAdd(t *testing.T) {
	var got tally
	got.add(3)
	got.add(4, "a", "b")
	if got.tried != 2 || got.survived != 1 || len(got.faults) != 1 || got.faults[0] != "seed 4: a; b" {
		t.Errorf("got %+v", got)
	}
}

func TestTable(t *testing.T) {
	got := table([]row{
		{class: class{name: "a", about: "this"}, n: 2, tally: tally{tried: 2, survived: 2, requests: 10, accounted: 10}, took: 1300 * time.Millisecond},
		{class: class{name: "b", about: "that"}, n: 1, tally: tally{tried: 1, left: []string{"x"}, faults: []string{"seed 1: y"}}, took: time.Minute},
	})
	want := `| class | what is done | faults tried | survived | requests | accounted for | left behind | time |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
| a | this | 2 | 2 | 10 | 10 | 0 | 1s |
| b | that | 1 | 0 |  |  | 1 | 1m0s |

b: 0 of 1 faults survived

b: seed 1: y

b: left behind: x
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-classes gremlins", `unknown class "gremlins"; known: `},
		{"-n -1", "-n of at least 0"},
		{"more", "no arguments"},
		{"-evabench /nonexistent", "stat /nonexistent: no such file or directory; make build makes it"},
	} {
		var talk bytes.Buffer
		if err := run(t.Context(), strings.Fields(c.args), &talk, &talk); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want …%s…", c.args, err, c.want)
		}
	}
}

// What a command leaves is seen: a process that lives on, though it changed its name,
// folder and environment in part, and files of every kind.
func TestLeft(t *testing.T) {
	b, err := newBed("/bin/sh", t.TempDir(), 1, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if left, err := b.left(); err != nil || len(left) > 0 {
		t.Fatalf("before: %q, %v", left, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c := b.command(ctx, "-c", `mkfifo "$TMPDIR/pipe"; cd /; echo; read forever`)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	left, err := b.left()
	if err != nil || len(left) != 2 || !strings.Contains(left[0], "read forever") || !strings.Contains(left[1], "pipe (p") {
		t.Errorf("got %q, %v", left, err)
	}
	stop()
	_ = c.Wait() // it was killed
	if left, err := b.left(); err != nil || len(left) != 1 {
		t.Errorf("after its end: %q, %v", left, err)
	}
}
