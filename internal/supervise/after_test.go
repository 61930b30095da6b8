package supervise

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// What follows a program runs when nothing of it is left, each command whatever
// became of the one before.
func TestAfter(t *testing.T) {
	o := order(t, time.Minute, "say", "hello", "3")
	exe := o.Argv[0]
	o.After = [][]string{{exe, "say", "first", "0"}, {exe, "say", "second", "4"}, {"/no/such", "program"}, {exe, "say", "last", "0"}}
	e := ended(t, launch(t, o))
	if e.Status != 3 || len(e.After) != 4 {
		t.Fatalf("exit %+v", e)
	}
	for i, want := range []Done{{"first\n", ""}, {"second\n", "exit status 4"}, {"", "/no/such program: "}, {"last\n", ""}} {
		got := e.After[i]
		if got.Output != want.Output || (got.Fault == "") != (want.Fault == "") || !strings.Contains(got.Fault, want.Fault) {
			t.Errorf("command %d: %+v, want %+v", i, got, want)
		}
	}
}

// TestAfterKilledParent is kill -9 of evabench: what follows runs still, and not
// before the program has ended.
func TestAfterKilledParent(t *testing.T) {
	h := newHouse(t)
	o := order(t, 0, "member", h.socket, "main")
	o.After = [][]string{{o.Argv[0], "member", h.socket, "after"}}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(o.Argv[0], "evabench", string(text))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	program := h.await(1)
	if program["main"].conn == nil {
		t.Fatalf("%v came first", program)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it says that it was killed
	follower := h.await(1)
	if follower["after"].conn == nil {
		t.Fatalf("%v came then", follower)
	}
	gone(t, program, 0)
	if _, err := follower["after"].conn.Write([]byte("exit 0\n")); err != nil {
		t.Fatal(err)
	}
	gone(t, follower, within)
}
