package main

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/hostile"
	"github.com/evabench/evabench/loadgen/endpoints"
	"github.com/evabench/evabench/results"
)

// One in ten of what the mixed server is asked is hostile at the least, whatever good answers
// are among the cases.
func TestHostileShare(t *testing.T) {
	for _, p := range protocols() {
		bad := 0
		for _, c := range p.cases() {
			if c.Want[0] != results.OK {
				bad++
			}
		}
		share := float64(bad) / float64(len(p.cases())) / float64(p.every(usual))
		if share < 0.1 || share > 0.125 {
			t.Errorf("%s: %d of %d cases are hostile, every %d is one: a share of %.3f, want 0.1 or little more", p.name, bad, len(p.cases()), p.every(usual), share)
		}
	}
	if got := protocols()[0].every(usual.calm()); got != 0 {
		t.Errorf("where none is to be played, every %d is", got)
	}
}

// Every kind of endpoint is tried, what is said of its cases is of cases that there
// are, and each of them is played.
func TestProtocols(t *testing.T) {
	var kinds []string
	for _, p := range protocols() {
		kind, _, _ := strings.Cut(p.name, ",")
		kinds = append(kinds, kind)
		if !strings.Contains(p.endpoint, kind) {
			t.Errorf("%s drives the endpoint %s", p.name, p.endpoint)
		}
		cases := p.cases()
		if len(cases) < 65 {
			t.Errorf("%s: %d cases", p.name, len(cases))
		}
		for name, want := range p.makes {
			at := slices.IndexFunc(cases, func(c hostile.Case) bool { return c.Name == name })
			if at < 0 || len(cases[at].Want) != 1 || cases[at].Want[0] != want {
				t.Errorf("%s: there is no case %q that makes %v", p.name, name, want)
			}
		}
	}
	if got, want := slices.Compact(kinds), endpoints.Kinds.Names(); !slices.Equal(got, want) {
		t.Errorf("tried are %v, there are %v", got, want)
	}
}

// A pair of runs as they should be: two thirds of what the mixed server was asked is
// answered well.
func soundPair() (m mixture, calm, rough hostileRun) {
	m = mixture{rate: 30, every: 3, seconds: 4}
	at := func(n, server int, o results.Outcome) results.Sample {
		due := results.Offset(n) * results.Offset(time.Second)
		return results.Sample{Endpoint: []string{"asked-0", "asked-1"}[server], Due: due, Sent: due, Done: due.Add(6 * time.Millisecond), Outcome: o}
	}
	rough.began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for n := range 60 {
		came := rough.began.Add(time.Duration(n)*time.Second + time.Millisecond)
		want, name := results.OK, ""
		if n%3 == 0 {
			want, name = results.Reset, "closed"
		}
		rough.mixed = append(rough.mixed, hostile.Asked{At: came, Case: name, Want: want})
		rough.sound = append(rough.sound, hostile.Asked{At: came, Want: results.OK})
		rough.samples = append(rough.samples, at(n, 0, want), at(n, 1, results.OK))
		calm.samples = append(calm.samples, at(n, 0, results.OK), at(n, 1, results.OK))
	}
	calm.memory, rough.memory, calm.sockets, rough.sockets, rough.most = 50<<20, 300<<20, 10, 40, 20
	rough.held = hostileLimit
	return m, calm, rough
}

// Each way for hostile answers to do harm is seen, and none in a sound pair. The limits
// are tried just within and just beyond.
func TestHostileHarmIsSeen(t *testing.T) {
	for _, c := range []struct {
		spoil func(calm, rough *hostileRun)
		want  string
	}{
		{func(_, _ *hostileRun) {}, ""},
		{func(_, r *hostileRun) { r.samples = r.samples[1:] }, "1 reset too few"},
		{func(_, r *hostileRun) { r.samples = append(r.samples, r.samples[1]) }, "1 ok too many"},
		{func(_, r *hostileRun) { r.samples[0].Outcome = results.Timeout }, "1 timeout too many; 1 reset too few"},
		{func(_, r *hostileRun) { r.samples[1].Outcome = results.Reset }, "1 ok too few; 1 reset too many"},
		{func(_, r *hostileRun) { r.samples[0].Sent = results.NoOffset }, "1 reset too few"},
		// Two that are taken for each other, with a second between them.
		{func(_, r *hostileRun) { r.samples[0].Outcome, r.samples[2].Outcome = results.OK, results.Reset }, "1 ok too few; 1 ok too many; 1 reset too few; 1 reset too many"},
		{func(_, r *hostileRun) { r.mixed[0].At = r.mixed[0].At.Add(-hostileNear) }, ""},
		{func(_, r *hostileRun) { r.mixed[0].At = r.mixed[0].At.Add(-hostileNear - 2*time.Millisecond) }, "1 reset too few; 1 reset too many"},
		{func(_, r *hostileRun) { r.mixed[0].At = r.mixed[0].At.Add(hostileNear + 5*time.Millisecond) }, ""},
		{func(_, r *hostileRun) { r.mixed[0].At = r.mixed[0].At.Add(hostileNear + 6*time.Millisecond) }, "1 reset too few; 1 reset too many"},
		// An odd answer that is good is none of those that are counted.
		{func(_, r *hostileRun) { r.mixed[1].Case = "byte by byte" }, ""},
		{func(c, r *hostileRun) { r.memory = c.memory + hostileMemory }, ""},
		{func(c, r *hostileRun) { r.memory = c.memory + hostileMemory + 1<<20 }, "769 MiB of memory more than without, at most 768 are allowed"},
		{func(c, r *hostileRun) { r.sockets = c.sockets + hostileFlight }, ""},
		{func(c, r *hostileRun) { r.sockets = c.sockets + hostileFlight + 1 }, "75 sockets at once"},
		{func(_, r *hostileRun) { r.most = hostileFlight + 1 }, "65 connections at once to the mixed server"},
		{func(_, r *hostileRun) { r.held = hostileHeld + time.Millisecond }, "a connection of no use was kept for 5.001s"},
		{func(_, r *hostileRun) { r.err = errors.New("panic") }, "with: panic"},
		{func(_, r *hostileRun) {
			for i := range r.mixed {
				r.mixed[i].Case = ""
			}
		}, "only 0 hostile answers were given, at least 3 were to be"},
	} {
		m, calm, rough := soundPair()
		c.spoil(&calm, &rough)
		var got tally
		got.judgeHostile(m, "here", calm, rough, nil)
		faults := strings.Join(got.faults, "\n")
		if !strings.Contains(faults, c.want) || c.want == "" && (faults != "" || got.survived != 20 || got.tried != 20) {
			t.Errorf("got %q of %+v, want %q", faults, got, c.want)
		}
		r := row{tally: got}
		if c.want != "" && len(r.wrong()) == 0 {
			t.Errorf("%s: the row is taken for sound", c.want)
		}
	}
}

// A request that no sample is of is missed in the count of all.
func TestHostileRequestsAreCounted(t *testing.T) {
	m, calm, rough := soundPair()
	rough.samples = rough.samples[3:]
	var got tally
	got.judgeHostile(m, "here", calm, rough, nil)
	if got.requests != 120 || got.accounted != 117 {
		t.Errorf("%d requests, %d accounted for", got.requests, got.accounted)
	}
}

// Requests of the sound server may be a little slower, and no more; where the machine
// was too busy without hostile answers nothing is said.
func TestSlowed(t *testing.T) {
	busy := exec.Command("/bin/sh", "-c", "exit 4").Run()
	for _, c := range []struct {
		later time.Duration // of every fiftieth request of the sound server
		all   time.Duration // of all
		calm  error
		rough error
		busy  float64
		want  string
	}{
		{want: ""},
		{all: time.Millisecond, want: ""}, // 6.0 × 1.1 + 0.5 = 7.1
		{all: 1200 * time.Microsecond, want: "p50 of the sound server's requests is 7.20 ms, 6.00 ms without"},
		{later: 7 * time.Millisecond, want: ""}, // 6.0 × 1.5 + 5 = 14
		{later: 9 * time.Millisecond, want: "p99 of the sound server's requests is 15.00 ms, 6.00 ms without"},
		{later: 9 * time.Millisecond, busy: 0.19, want: "p99 of the sound server's requests is 15.00 ms, 6.00 ms without"},
		{later: 9 * time.Millisecond, busy: 0.21, want: "not judged"},
		{busy: 0.21, want: ""},
		{rough: busy, want: ""}, // it says so itself
		{calm: busy, rough: busy, all: time.Second, want: "not judged"},
	} {
		_, calm, rough := soundPair()
		calm.err, rough.err, rough.others = c.calm, c.rough, c.busy
		for i := range rough.samples {
			s := &rough.samples[i]
			if s.Done = s.Done.Add(c.all); i%50 == 1 {
				s.Done = s.Done.Add(c.later)
			}
		}
		faults, judged := slowed(calm, rough)
		got := strings.Join(faults, "; ")
		if !judged {
			got = "not judged"
		}
		if got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		if !rough.ended() {
			t.Errorf("%v is taken for a fault", rough.err)
		}
	}
}

// What others use of the machine is all that is used less what this process and its
// children do.
func TestProcessors(t *testing.T) {
	at := time.Now()
	before := processors{at: at, busy: 100, ours: 10, online: 2}
	after := processors{at: at.Add(10 * time.Second), busy: 112, ours: 15, online: 2}
	if got := after.since(before); got != 0.35 { // (12 - 5) of 20
		t.Errorf("got %v, want 0.35", got)
	}
	if got := (processors{}).since(processors{}); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	now := readProcessors()
	if now.online < 1 || now.busy <= now.ours || now.ours <= 0 {
		t.Errorf("this machine: %+v", now)
	}
}

// A quantile of ten values: the first that so large a share does not pass.
func TestQuantile(t *testing.T) {
	ten := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, c := range []struct{ share, want float64 }{{0.5, 5}, {0.51, 6}, {0.95, 10}, {0.9, 9}, {0, 1}} {
		if got := quantile(ten, c.share); got != c.want {
			t.Errorf("%v: got %v, want %v", c.share, got, c.want)
		}
	}
	if got := quantile(nil, 0.5); got == got {
		t.Errorf("of none: %v", got)
	}
}

// A process is watched: its memory, its sockets, what it said and how it ended.
func TestWatched(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	c := exec.Command("/bin/sh", "-c", "echo said; read line; exit 3")
	c.Stdin = theirs
	var p peaks
	told := false
	said, err := watched(c, func(pid int) {
		if p.look(pid); p.sockets > 0 && p.memory > 0 && !told {
			told = true
			_, _ = ours.WriteString("go on\n") // else it never ends
		}
	})
	theirs.Close()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 || said != "said\n" {
		t.Errorf("it said %q and ended with %v", said, err)
	}
	if p.sockets != 1 || p.memory < 100<<10 || p.memory > 100<<20 {
		t.Errorf("%+v", p)
	}
}

// The whole way, briefly, with a server that lies about what it does with a case: the
// count says so, and with an honest one says nothing.
func TestHostileOnce(t *testing.T) {
	b := testBed(t)
	m := mixture{rate: 240, every: 4, seconds: 2}
	for _, lie := range []bool{false, true} {
		p := protocols()[4]
		if lie {
			p.makes["500"], p.makes["half of a JSON text"] = results.OOM, results.OOM
		}
		rough, err := m.run(t.Context(), b, p, 1)
		if err != nil {
			t.Fatal(err)
		}
		rough.held = 0 // how long a connection was kept is the machine's doing, too
		var got tally
		got.judgeHostile(m, "here", rough, rough, nil)
		if faults := strings.Join(got.faults, "\n"); lie != strings.Contains(faults, "oom too few") || got.tried < m.sure() ||
			got.requests == 0 || got.requests != got.accounted || lie == (got.survived == got.tried) {
			t.Errorf("lie %v: %+v\n%s", lie, got, rough.said)
		}
	}
}
