package runner

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// aloneOf gives what was measured of requests that were alone: "a 5, c 5".
func aloneOf(cell results.Cell) string {
	text := ""
	for _, w := range cell.Warmed {
		if w.Alone {
			text += fmt.Sprintf("%s %d,", w.Class, len(w.Rounds))
		}
	}
	return text
}

// It ends with the request that is under way when half of the time for the warm-up is
// over, and no request is begun after it.
func TestAloneEndsInTime(t *testing.T) {
	for _, c := range []struct {
		warm time.Duration
		want string
	}{
		// Requests take 1 s, sessions of a and c 2 s, of b 1 s; they begin with
		// either by turns.
		{time.Second, "a 1,"}, {2 * time.Second, "a 1,"}, {2*time.Second + 2, "a 1,c 1,"}, {6 * time.Second, "a 1,c 1,b 1,"}, {8*time.Second + 2, "a 2,c 2,b 1,"},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := &cold{takes: map[string]func(int) time.Duration{"a": steady(time.Second), "b": steady(time.Second), "c": steady(time.Second)}}
			cell, err := server.warmed(t, &world{}, c.warm)
			if err != nil {
				t.Fatal(err)
			}
			if got := aloneOf(cell); got != c.want {
				t.Errorf("warm for %v: alone %s, want %s", c.warm, got, c.want)
			}
		})
	}
}

// Instances take their turns, and share the time: the phase is as long as all requests
// together.
func TestAloneTakesTurns(t *testing.T) {
	for _, c := range []struct {
		takes, warm, took time.Duration
		want              string
	}{
		{time.Second, time.Minute, 30 * time.Second, "a 5,c 5,b 5,a 5,c 5,b 5,"},
		{time.Second, 16 * time.Second, 8 * time.Second, "a 2,c 1,b 1,a 2,c 1,b 1,"},
		{3 * time.Second, 4 * time.Second, 3 * time.Second, "a 1,"}, // the first took the time of all
		{time.Second, 0, 0, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := &cold{placed: "vision=0,0", takes: map[string]func(int) time.Duration{"a": steady(c.takes), "b": steady(c.takes), "c": steady(c.takes)}}
			cell, err := server.warmed(t, &world{}, c.warm)
			if err != nil {
				t.Fatal(err)
			}
			var took time.Duration
			for _, p := range cell.Phases {
				if p.Name == "alone" {
					if c.warm == 0 {
						t.Error("a phase without time for it")
					}
					took = p.End.Sub(p.Start)
				}
			}
			if got := aloneOf(cell); got != c.want || took != c.took {
				t.Errorf("warm for %v: alone %s in %v, want %s in %v", c.warm, got, took, c.want, c.took)
			}
		})
	}
}

// uneven begins two of three sessions with class a.
type uneven struct{ two }

func (uneven) Session(seed uint64, n int64) loadgen.Session { return two{}.Session(seed, n%3/2) }

// There are as many sessions of a class that is rare as of others.
func TestAloneAsksEachClassAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &cold{asks: uneven{}, takes: map[string]func(int) time.Duration{"a": steady(time.Second), "b": steady(time.Second), "c": steady(time.Second)}}
		cell, err := server.warmed(t, &world{}, time.Minute)
		if got := aloneOf(cell); err != nil || got != "a 5,c 5,b 5," {
			t.Errorf("%v: alone %s", err, got)
		}
	})
}

// A request that fails ends it for the instance with a warning; a server that ended fails
// the cell.
func TestAloneFails(t *testing.T) {
	takes := map[string]func(int) time.Duration{"a": steady(time.Second), "b": steady(time.Second), "c": steady(time.Second)}
	for _, dies := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{}
			// The first c is readiness'.
			server := &cold{takes: takes, fails: func(class string, n int) bool {
				if class != "c" || n != 2 {
					return false
				}
				if dies {
					w.mu.Lock()
					defer w.mu.Unlock()
					w.died = errors.New("exit status 137")
				}
				return true
			}}
			cell, err := server.warmed(t, w, time.Minute)
			if got := aloneOf(cell); got != "a 2,c 1,b 1," {
				t.Errorf("alone %s", got)
			}
			if dies {
				if want := "vision-0 on gpu0 (GPU-0) ended while it was asked one request at a time: exit status 137"; err == nil || cell.Fault != want {
					t.Errorf("%v: %q, want %q", err, cell.Fault, want)
				}
				return
			}
			if err != nil || len(cell.Warnings) != 1 || cell.Warnings[0].Code != "floor-unknown" {
				t.Errorf("%v, warnings %+v", err, cell.Warnings)
			}
		})
	}
}
