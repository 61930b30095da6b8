package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files anew")

// factsOf reads a made course as a check on a card would.
func factsOf(written map[string]partRun, change func(*facts, map[string]partRun)) facts {
	parts := maps.Clone(written)
	f := facts{form: onGPU, looked: true, parts: map[string]measured{}}
	if change != nil {
		change(&f, parts)
	}
	for name, p := range parts {
		f.parts[name] = readPart(p)
	}
	return f
}

// Each of the claims, by words that stand in no other.
const (
	claimComplete  = "every part ran"
	claimIdentity  = "no arrival was lost"
	claimReports   = "a report of each run"
	claimClients   = "is counted as a client"
	claimNoClients = "no process is a client"
	claimPairs     = "what MPS does to each model"
	claimNVML      = "NVML's values"
	claimGPM       = "GPM's values"
	claimSwitches  = "context switching"
	claimKilled    = "came back"
	claimUnderMPS  = "was killed under MPS"
	claimRestored  = "as found"
	claimLeft      = "left running"
)

// A course with nothing wrong shows everything; each fault is seen by its own
// proof, and by no other.
func TestProofs(t *testing.T) {
	base, written := t.TempDir(), map[made]map[string]partRun{}
	for _, c := range []struct {
		name   string
		made   made
		change func(*facts, map[string]partRun)
		want   map[string]string // of those that are not shown
		says   string
	}{
		{name: "nothing wrong"},
		{"a process under MPS is no client", made{fewer: true}, nil, map[string]string{claimClients: failed}, "3 processes, of them 2 clients"},
		{"a client under time-slicing", made{stray: true}, nil, map[string]string{claimNoClients: failed}, "3 processes, of them 1 clients"},
		{"no process seen", made{unseen: true}, nil, map[string]string{claimClients: failed, claimNoClients: failed}, "0 processes"},
		{"no process seen in a container", made{unseen: true}, func(f *facts, _ map[string]partRun) { f.blind = "a container" },
			map[string]string{claimClients: notShown, claimNoClients: notShown}, "a container"},
		{"an arrival without a sample", made{lost: true}, nil, map[string]string{claimIdentity: failed}, "003-off-ts-r2"},
		{"a failed cell", made{failedCell: true}, nil, map[string]string{claimComplete: failed, claimPairs: notShown}, "no memory"},
		{"two pairs", made{pairs: 2}, nil, map[string]string{claimPairs: notShown}, "2 pairs"},
		{"nothing moves", made{still: true}, nil, map[string]string{claimNVML: failed, claimGPM: failed}, "none of 1 gauges differs"},
		{"no GPM", made{noGPM: true}, nil, map[string]string{claimGPM: notShown, claimSwitches: notShown}, "no such readings"},
		{"context switching refused", made{code: 3}, nil, map[string]string{claimSwitches: notShown}, "gr0_ctxsw_requests with return code 3"},
		{"no context switch", made{noSwitches: true}, nil, map[string]string{claimSwitches: notShown}, "all of them 0"},
		{"never back", made{neverBack: true}, nil, map[string]string{claimKilled: failed}, "did not answer again"},
		{"another ended too", made{alsoEnded: true}, nil, nil, "ended with it: owlv2-0"},
		{"killed without MPS", made{noMPSAtKill: true}, nil, map[string]string{claimUnderMPS: notShown}, ""},
		{"the card differs", made{}, func(f *facts, _ map[string]partRun) {
			f.unlike = []string{"gpus[0].persistence: true, and afterwards false"}
		},
			map[string]string{claimRestored: failed}, "persistence"},
		{"a process left", made{}, func(f *facts, _ map[string]partRun) { f.left = []string{"17 python vision.py"} },
			map[string]string{claimLeft: failed}, "17 python"},
		{"a report fails", made{}, func(_ *facts, p map[string]partRun) {
			r := p[calibrate]
			r.reports = []string{"xlsx: exit status 1"}
			p[calibrate] = r
		}, map[string]string{claimReports: failed}, "calibrate, xlsx"},
		{"a part that failed", made{}, func(_ *facts, p map[string]partRun) {
			r := p[withVLM]
			r.fault = "exit status 2"
			p[withVLM] = r
		}, map[string]string{claimComplete: failed}, "exit status 2"},
		{"a part left out", made{}, func(_ *facts, p map[string]partRun) {
			p[failover] = partRun{part: part{name: failover}, leftOut: "too little was left"}
		}, map[string]string{claimComplete: notShown, claimKilled: notShown, claimUnderMPS: notShown}, "too little was left"},
		{"no GPU", made{noMPSAtKill: true, noGPM: true, pairs: 1}, func(f *facts, _ map[string]partRun) { f.looked = false },
			map[string]string{claimGPM: notShown, claimSwitches: notShown, claimRestored: notShown, claimUnderMPS: notShown, claimPairs: notShown}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if written[c.made] == nil {
				written[c.made] = c.made.write(t, filepath.Join(base, fmt.Sprint(len(written))))
			}
			proofs := factsOf(written[c.made], c.change).prove()
			seen := 0
			for _, p := range proofs {
				want := shown
				for claim, result := range c.want {
					if strings.Contains(p.claim, claim) {
						want = result
						seen++
					}
				}
				if p.result != want {
					t.Errorf("got %v\nwant %s", p, want)
				}
			}
			if seen != len(c.want) {
				t.Errorf("%d of %d claims are among the proofs", seen, len(c.want))
			}
			if text := proofLines(proofs); !strings.Contains(text, c.says) {
				t.Errorf("the proofs do not say %q:\n%s", c.says, text)
			}
		})
	}
}

// Without MPS and without a GPU nothing of them is shown, and the reason is told.
func TestNothingOfACard(t *testing.T) {
	proofs := facts{form: onCPU, parts: map[string]measured{}}.prove()
	if n := count(proofs, shown); n != 1 { // that nothing is left running
		t.Errorf("%d proofs are shown of nothing:\n%s", n, proofLines(proofs))
	}
	if text := proofLines(proofs); strings.Count(text, "the form for processors has no GPU") != 8 {
		t.Errorf("the reason is not told of the eight that need a card:\n%s", text)
	}
}

// TestEvidence holds the whole page of a course with nothing wrong.
func TestEvidence(t *testing.T) {
	f := factsOf(made{}.write(t, t.TempDir()), nil)
	c := &check{began: time.Unix(1_790_000_000, 0).UTC(), form: onGPU, facts: f, versions: []string{"evabench test", "Python 3"}}
	c.ended, c.limit = c.began.Add(431*time.Second), 8*time.Minute
	c.before = read(`{"system": {"driver": "580.1", "cuda": "13.0"}, "gpus": [{"name": "NVIDIA H100", "uuid": "` + card + `"}]}`)
	for _, name := range []string{calibrate, together, withVLM, failover} {
		c.parts = append(c.parts, f.parts[name].partRun)
	}
	got := c.evidence(f.prove(), []string{"runs/together/cells/x/samples.parquet"})
	got = strings.ReplaceAll(strings.ReplaceAll(got, "Run as root.", "ROOT"), "Run without root.", "ROOT")
	golden := filepath.Join("testdata", "evidence.md")
	if *update {
		need(t, os.MkdirAll("testdata", 0o755))
		need(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	need(t, err)
	if got != string(want) {
		t.Errorf("the page differs from %s (go test -update writes it anew):\n%s", golden, got)
	}
}
