//go:build real

package realtest

import (
	"sync"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpoints/openaichat"
	"github.com/evabench/evabench/loadgen/endpoints/torchserve"
	"github.com/evabench/evabench/results"
)

// TestToldByLlamaServer holds what each answer of a real llama-server tells of itself: the
// time in its slot, streamed or not, never more than the request took to us, nor all together
// more than there was; and never how long it waited for its slot.
func TestToldByLlamaServer(t *testing.T) {
	s := startLlamaServer(t)
	for name, stream := range map[string]bool{"stream": true, "body": false} {
		config := openaichat.Default
		config.Stream = stream
		config.Extra = map[string]any{"ignore_eos": true, "cache_prompt": false}
		d, err := openaichat.New(config, nil)
		if err != nil {
			t.Fatal(err)
		}
		e, err := d.Dial(s.url)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		request := &loadgen.Request{Model: modelName, MaxTokens: 40, Messages: []loadgen.Message{{Role: "user", Text: "What is there to see?"}}}
		answer := func() (loadgen.Answer, time.Duration) {
			began := time.Now()
			a, err := loadgen.Ask(t.Context(), e, request, time.Minute, nil)
			took := time.Since(began)
			if err != nil || a.Outcome != results.OK {
				t.Errorf("%s: %v, %v: %s", name, err, a.Outcome, a.Detail)
			}
			if a.ServerQueue != results.Untold || a.ServerWork <= 0 || a.ServerWork > took || a.ServerRefused {
				t.Errorf("%s: the answer of %v tells %v in the queue, %v of work, refused %v", name, took, a.ServerQueue, a.ServerWork, a.ServerRefused)
			}
			return a, took
		}
		alone, took := answer()
		var together sync.WaitGroup
		var mu sync.Mutex
		var work, all time.Duration
		began := time.Now()
		for range 4 * slots {
			together.Go(func() {
				a, took := answer()
				mu.Lock()
				work, all = work+a.ServerWork, all+took
				mu.Unlock()
			})
		}
		together.Wait()
		// Three quarters of them wait for a slot, and that is not told: slots do no more
		// than they can.
		if most := slots * time.Since(began); work > most {
			t.Errorf("%s: %d slots are told to have worked for %v, and had %v", name, slots, work, most)
		}
		t.Logf("llama-server %s, %s: alone %v of %v; of %d at once %v of %v told as work", s.version, name, alone.ServerWork, took, 4*slots, work, all)
	}
}

// TestTorchServeTellsNothing holds that a real TorchServe tells no times in its answers.
func TestTorchServeTellsNothing(t *testing.T) {
	s := startTorchServe(t)
	d, err := torchserve.New(torchserve.Default, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Dial(s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	a, err := loadgen.Ask(t.Context(), e, &loadgen.Request{Model: "detector", Image: mustFrame(t, 1)}, time.Minute, nil)
	if err != nil || a.Outcome != results.OK || a.ServerQueue != results.Untold || a.ServerWork != results.Untold || a.ServerRefused {
		t.Errorf("%v: %+v", err, a)
	}
}

// testWorkersTold wants that the reference workers tell both times in every good answer,
// and that their counters do not tell other waits.
func testWorkersTold(t *testing.T, dir string) {
	run, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	summary, err := analysis.Summarize(run)
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range summary.Cells[0].Steps[0].Services {
		for _, w := range service.Waiting[1:] {
			told := w.Told
			if told == nil || told.Asked == 0 || told.Refused != 0 || told.Queue.N != told.Asked || told.Work.N != told.Asked || w.Wait.Level != analysis.FromRequests {
				t.Errorf("%s: wait %+v, told %+v", w.Instance, w.Wait, told)
				continue
			}
			t.Logf("%s: %d answers tell a mean wait of %.4g s and work of %.4g s", w.Instance, told.Asked, *told.Queue.Mean.Number, *told.Work.Mean.Number)
			if service.Role != results.RoleAgent {
				continue // no counters of Vision's waits are read
			}
			if told.Check == nil || told.Check.Result == analysis.Fail || !told.Check.Ratio.Known() {
				t.Errorf("%s: against its counters %+v", w.Instance, told.Check)
				continue
			}
			t.Logf("%s: answers / counters is %.4f: %s", w.Instance, *told.Check.Ratio.Number, told.Check.Result)
		}
	}
}
