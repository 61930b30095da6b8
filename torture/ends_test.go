package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// vandal is an evabench that, when it goes on with a run, adds a file to cells that were
// done, leaves a process and a temporary file.
const vandal = `#!/bin/sh
case "$*" in
*--resume*)
	for cell in run/cells/*; do test -e $cell/cell.json && : >$cell/more; done
	"$EVABENCH_TORTURED" "$@"
	status=$?
	: >"$TMPDIR/scrap"
	sleep 600 >/dev/null 2>&1 &
	echo $! >sleeper
	exit $status
esac
exec "$EVABENCH_TORTURED" "$@"
`

// What a command breaks that goes on with a killed sweep is seen, and what it leaves.
func TestKillSeesVandal(t *testing.T) {
	b := testBed(t)
	t.Setenv("EVABENCH_TORTURED", b.evabench)
	script, err := b.file("vandal", vandal)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	b.evabench = script
	late := func(r *rand.Rand, _ point) blow {
		kill := strike{text: "kill", do: func(_ *sweeper, g *going) error { return syscall.Kill(g.cmd.Process.Pid, syscall.SIGKILL) }}
		return blow{at: point{lines: 55}, strikes: []strike{kill}, spared: daemons}
	}
	got, err := tryBlows(t.Context(), b, 1, late)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("%s/%d/sleeper", b.dir, b.seed))
	if err != nil {
		t.Fatal(err)
	}
	sleeper := strings.TrimSpace(string(text))
	if pid, err := strconv.Atoi(sleeper); err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
		t.Errorf("end %q: %v", text, err)
	}
	if got.tried != 1 || got.survived != 0 || !strings.Contains(strings.Join(got.faults, ""), "was done and has changed") {
		t.Errorf("%d of %d survived; %q", got.survived, got.tried, got.faults)
	}
	left := strings.Join(got.left, "\n")
	if !strings.Contains(left, "process "+sleeper+": ") || !strings.Contains(left, "scrap") {
		t.Errorf("left: %s", left)
	}
}

// An end that is not in order is seen: its status, and what is still there.
func TestEndsSeesDisorder(t *testing.T) {
	own := testBed(t)
	own.evabench = "/bin/sh"
	s, err := newSweeper(own, "1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ script, want string }{
		{"exit 130", ""},
		{"echo; exit 3", "exit status 3, want status 130"},
		{"echo; kill -TERM $$", "signal: terminated, want status 130"},
		{"kill -TERM $$", ""}, // before it could catch signals
		{": >$TMPDIR/scrap; exit 130", "right after its end there is " + s.tmp() + "/scrap"},
	} {
		g, err := s.start(t.Context(), []string{"-c", c.script})
		if err != nil {
			t.Fatal(err)
		}
		<-g.ended
		b := broken{sweeper: s}
		b.inOrder(g, blow{})
		if got := strings.Join(b.faults, "; "); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q, want %q", c.script, got, c.want)
		}
	}
	g, err := s.start(t.Context(), []string{"-c", "sleep 600 >/dev/null 2>&1 & echo $!"})
	if err != nil {
		t.Fatal(err)
	}
	<-g.ended
	b := broken{sweeper: s, patience: time.Millisecond}
	if err := b.awaitGone(blow{spared: nothing}); err != nil || len(b.faults) != 1 || !strings.Contains(b.faults[0], "sleep 600") {
		t.Errorf("awaitGone() = %v, faults %q", err, b.faults)
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(g.text())); err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
		t.Errorf("end %q: %v", g.text(), err)
	}
}

// A sweep ends in order unless it is told twice by SIGINT or SIGTERM: a SIGHUP comes
// twice, and beside a SIGTERM, without anybody's haste.
func TestEndOf(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	drawn := map[string]bool{}
	for range 1000 {
		b := endOf(r, point{})
		kind, hurry := "", 0
		for _, s := range b.strikes {
			text := strings.TrimSuffix(s.text, " to its group")
			kind += text + ", "
			if text == "interrupt" || text == "terminated" {
				hurry++
			}
		}
		drawn[kind] = true
		if b.ordered != (hurry < 2) {
			t.Errorf("%s: in order %v", b, b.ordered)
		}
	}
	for _, want := range []string{"the terminal's end, hangup, ", "terminated, hangup, ", "hangup, terminated, ", "interrupt, interrupt, ", "hangup, "} {
		if !drawn[want] {
			t.Errorf("not drawn: %s", want)
		}
	}
}

// What a run lost, changed or never had is told.
func TestSeenTellsWhatIsMissing(t *testing.T) {
	key := stepKey{"a", 0, "eyes"}
	whole := &seen{done: map[string]string{"a": "1", "b": "2"}, due: map[stepKey]int64{key: 7}}
	early := &seen{done: map[string]string{"a": "1"}, steps: []string{"s"}}
	for _, c := range []struct {
		now  seen
		want string
	}{
		{seen{done: map[string]string{"a": "1", "b": "x"}, steps: []string{"s", "t"}, due: map[stepKey]int64{key: 7}}, ""},
		{seen{done: map[string]string{"a": "9", "b": "x"}, steps: []string{"s"}, due: map[stepKey]int64{key: 7}}, "cell a was done and has changed"},
		{seen{done: map[string]string{"b": "x"}, steps: []string{"s"}, due: map[stepKey]int64{key: 7}}, "cell a was done and is not any more; cells [b] are done, want [a b]"},
		{seen{done: map[string]string{"a": "1", "b": "x"}, due: map[stepKey]int64{key: 7}}, "a step that was whole is lost"},
		{seen{done: map[string]string{"a": "1", "b": "x"}, steps: []string{"s"}, due: map[stepKey]int64{key: 6}}, "a, step 0, eyes: 6 sessions, want 7"},
		{seen{done: map[string]string{"a": "1", "b": "x"}, steps: []string{"s"}, due: map[stepKey]int64{key: 7}, others: []string{"c is unfinished"}}, "c is unfinished"},
		{seen{done: map[string]string{"a": "1", "b": "x"}, steps: []string{"s"}, due: map[stepKey]int64{key: 7}, problems: []string{"torn"}}, "torn"},
	} {
		more, requests, accounted := c.now.complete(whole)
		if got := strings.Join(append(c.now.kept(early), more...), "; "); got != c.want || requests != 7 || accounted != c.now.due[key] {
			t.Errorf("got %q, %d of %d; want %q", got, accounted, requests, c.want)
		}
	}
}

// Times of cells that were done again may be a tenth off, and more only by chance.
func TestDifference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, mean, spread float64) (all []float64) {
		for range n {
			all = append(all, mean+spread*r.NormFloat64())
		}
		return all
	}
	for _, c := range []struct {
		mean, spread float64
		n            int
		told         bool
	}{
		{0, 0.3, 100, false}, {0.08, 0.01, 100, false}, {0.13, 0.01, 100, true}, {-0.13, 0.01, 100, true},
		{0.3, 0.5, 10, false}, // for all that is known
		{0.3, 0, 1, false},
	} {
		w := wholeSweep{redone: draw(c.n, c.mean, c.spread), untouched: draw(c.n, 0, c.spread)}
		if got := w.difference(); (got != "") != c.told {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
