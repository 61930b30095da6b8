package search

import (
	"fmt"

	"github.com/evabench/evabench/results"
)

// A watcher ends steps that are hopeless: whose requests wait several times as long
// as any clause allows. A step that is merely over a limit is let run, for its share
// is what the estimate rests on; steps that were ended are only bounds, so that a rule
// which ended unlucky ones would favour lucky ones.
type watcher struct {
	services []results.Service
	clauses  []clause
	begun    results.Offset
	begins   bool
	done     map[string]int64 // since the step's begin
	late     map[string][2]int64
	bad      int // looks in a row
}

// hopeless is how many times the largest limit the backlog must be worth, in looks
// looks in a row.
const (
	hopeless      = 4
	hopelessLooks = 3
	fewUnfinished = 20 // are no backlog
	fewDone       = 20
)

// begin makes ready for a new step.
func (w *watcher) begin() {
	w.begins, w.bad = true, 0
	w.done, w.late = map[string]int64{}, map[string][2]int64{}
}

// watch looks at what became of a step's requests and says why it should end; empty if it
// should not. By Little's law a request that comes now waits for what is unfinished
// to be done at the pace of what was done so far.
func (w *watcher) watch(p results.Progress) string {
	if w.begins {
		w.begun, w.begins = p.From, false
	}
	for _, s := range p.Samples {
		w.done[s.Service]++
		if limit := w.limit(s.Service); limit > 0 {
			l := w.late[s.Service]
			l[0]++
			if s.Outcome != results.OK || s.Done.Sub(s.Due).Seconds() > hopeless*limit {
				l[1]++
			}
			w.late[s.Service] = l
		}
	}
	why := ""
	for _, s := range w.services {
		limit := w.limit(s.Name)
		if limit == 0 {
			continue
		}
		waiting, spent := p.Unfinished[s.Name], p.To.Sub(w.begun).Seconds()
		if s.Target != nil && whole(*s.Target) && s.Target.Unit == "users" {
			if l := w.late[s.Name]; l[0] >= fewDone && 10*l[1] > 9*l[0] {
				why = fmt.Sprintf("hopeless: %d of %d requests of %s took over %g s, %d times its limit, or failed", l[1], l[0], s.Name, hopeless*limit, hopeless)
			}
			continue
		}
		pace := float64(w.done[s.Name]) / spent
		if spent < hopeless*limit || waiting < fewUnfinished {
			continue
		}
		if float64(waiting) > pace*hopeless*limit {
			why = fmt.Sprintf("hopeless: %d requests of %s are not done where %.3g are a second, which takes more than %d times its limit of %g s", waiting, s.Name, pace, hopeless, limit)
		}
	}
	if why == "" {
		w.bad = 0
		return ""
	}
	if w.bad++; w.bad < hopelessLooks {
		return ""
	}
	return why
}

// limit is the largest limit of the service's clauses, in seconds; 0 if there is none.
func (w *watcher) limit(service string) float64 {
	most := 0.0
	for _, c := range w.clauses {
		if w.services[c.service].Name == service {
			most = max(most, c.limit)
		}
	}
	return most
}
