package search

import (
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/boundary"
	"github.com/evabench/evabench/results"
)

// A clause is one condition of one service's SLO as the boundary sees it.
type clause struct {
	boundary.Clause
	service  int
	text     string  // as a person wrote it
	class    string  // the requests that it is of alone; empty for all
	limit    float64 // seconds, of a clause on latency or TTFT; else 0
	quantile float64 // of such a clause; else 0
	hard     bool    // nothing may be over it: it has no share to fit
}

// clausesOf gives the conditions of all services, that of errors too where a service
// does not state one: then none are allowed.
func clausesOf(services []results.Service) []clause {
	var list []clause
	for i, s := range services {
		errors := false
		for _, c := range s.SLO {
			k := clause{service: i, text: c.Text, class: c.Class, Clause: boundary.Clause{Name: s.Name + ": " + c.Text, Allowed: 1}}
			switch c.Metric {
			case "latency", "ttft":
				k.Allowed, k.limit, k.quantile = 1-c.Quantile, c.Limit, c.Quantile
			case "errors":
				k.Allowed, k.hard = c.Limit, c.Limit <= 0
				errors = errors || c.Class == ""
			}
			list = append(list, k)
		}
		if len(s.SLO) > 0 && !errors {
			list = append(list, clause{service: i, text: "errors <= 0 %", hard: true, Clause: boundary.Clause{Name: s.Name + ": errors <= 0 % (default)"}})
		}
	}
	return list
}

// A look is what the search keeps of a step.
type look struct {
	index   int
	load    float64
	purpose string
	heavy   bool
	probe   boundary.Probe
	loaded  float64 // seconds under load
	// excess is the largest of the clauses' shares over what they allow; +Inf where
	// something happened that may not happen at all.
	excess  float64
	worst   int // the clause of excess, -1 if nothing was judged
	met     bool
	why     string   // what was not met
	unknown string   // a clause that was not told, though nothing that was told is over what may be; empty if none
	silent  []string // by clause, why no window tells it: the server does not say; else empty
	beyond  bool     // ended early as hopeless, or its backlog grew
	ended   bool     // early
	empty   bool     // nothing was due in its window
	spoiled string   // why the step measures nothing of the server; empty if it does
	rate    float64
	served  float64 // throughput of the raised service
	at      float64 // the middle of its window, in seconds of the cell
	session float64 // mean time of the raised service's sessions, in seconds; 0 if unknown
	median  float64 // latency of the raised service, in seconds; 0 if unknown
}

// lookAt reads a judged step.
func lookAt(s analysis.Step, r ray, clauses []clause) (look, error) {
	if len(s.Services) != len(r.levels) {
		return look{}, fmt.Errorf("step %d has %d services, want %d", s.Index, len(s.Services), len(r.levels))
	}
	l := look{
		index: s.Index, load: r.of(s.Services), purpose: s.Purpose, heavy: s.Heavy,
		loaded: s.Loaded, beyond: s.Stopped != "", ended: s.Stopped != "", met: s.Stopped == "", why: s.Stopped, worst: -1,
	}
	l.at = s.Start + s.Warmup + s.Window/2
	l.probe = boundary.Probe{Load: l.load, Seconds: s.Window, Counts: make([]boundary.Count, len(clauses))}
	l.silent = make([]string, len(clauses))
	first := make([]int, len(s.Services)) // where the service's clauses begin
	for i, v := range s.Services {
		first[i] = slices.IndexFunc(clauses, func(c clause) bool { return c.service == i })
		if v.Verdict.Is == analysis.ClientLimited || v.Verdict.Is == analysis.Void && s.Stopped == "" {
			l.spoiled = fmt.Sprintf("%s is %s: %s", v.Name, v.Verdict.Is, v.Verdict.Why)
		}
		l.empty = l.empty || v.Total.Due == 0 && s.Stopped == "" && v.Identity.Holds
		if v.Growth.Result == analysis.Grew {
			l.beyond = true
			l.miss(fmt.Sprintf("%s: the queue grew: %s", v.Name, v.Growth.Why))
		}
		if (i == r.raised || r.raised < 0 && i == 0) && s.Window > 0 {
			l.rate = float64(v.Total.Due) / s.Window
			l.served = float64(v.Total.Completed) / s.Window
			if v.Sessions.Time.Mean.Known() {
				l.session = *v.Sessions.Time.Mean.Number
			}
			if v.Median.Known() {
				l.median = *v.Median.Number
			}
		}
	}
	for k, c := range clauses {
		v := s.Services[c.service]
		at := k - first[c.service]
		if at >= len(v.SLO) {
			l.silence(k, c, "the step does not tell of it")
			continue
		}
		l.count(k, c, v.SLO[at])
	}
	return l, nil
}

// count takes what a clause was found to be.
func (l *look) count(k int, c clause, v analysis.ClauseValue) {
	count, hard := boundary.Count{N: float64(v.Judged), Over: float64(v.Over)}, c.hard
	if v.Luck != nil {
		count.Luck = *v.Luck
	}
	if v.Judged == 0 && v.Value.Known() && v.Clause.Limit > 0 { // a mean
		over := *v.Value.Number / v.Clause.Limit
		if v.Clause.Op == ">" || v.Clause.Op == ">=" {
			over = 1 / math.Max(over, 1e-9)
		}
		count = boundary.Count{N: 1, Over: over}
	} else if v.Judged == 0 && v.Value.Known() { // a mean that may be nothing, of which there is no share
		count, hard = boundary.Count{N: 1}, true
		if v.Result != analysis.Met {
			count.Over = math.Inf(1)
		}
	}
	l.probe.Counts[k] = count
	if count.N == 0 {
		switch v.Result {
		case analysis.Unknown:
			l.silence(k, c, v.Value.Why)
		case analysis.NotMet: // nothing of it was due, which a longer window may mend
			l.untold(c, v.Value.Why)
		}
		return
	}
	excess := 0.0
	switch {
	case hard && count.Over > 0:
		excess = math.Inf(1)
	case !hard:
		excess = c.Excess(count)
	}
	if excess > l.excess || l.worst < 0 {
		l.excess, l.worst = excess, k
	}
	switch {
	case excess > justMet:
		l.miss(c.Name)
	case v.Result == analysis.Unknown:
		l.untold(c, v.Value.Why)
	}
}

// untold notes a clause that the look does not tell, which is neither met nor missed.
func (l *look) untold(c clause, why string) {
	if l.unknown == "" && !l.ended {
		l.unknown = fmt.Sprintf("%s is not known: %s", c.Name, why)
	}
}

// silence notes a clause that the step tells nothing of, however long it was.
func (l *look) silence(k int, c clause, why string) {
	l.untold(c, why)
	l.silent[k] = why
}

// without says that the step tells nothing of some clause.
func (l look) without() bool {
	return slices.ContainsFunc(l.silent, func(why string) bool { return why != "" })
}

// justMet is the excess of a share that is just what is allowed, as rounding has it.
const justMet = 1 + 1e-9

// within says that no share was over what is allowed.
func (l look) within() bool { return l.excess <= justMet }

func (l *look) miss(why string) {
	if l.met || l.why == "" {
		l.why = why
	}
	l.met = false
}

// clearly says that the step met or missed the SLO by so much that chance does not
// explain it.
const (
	clearlyMet    = 0.8
	clearlyMissed = 4
)

func (l look) clearlyMissed() bool { return l.beyond || l.excess > clearlyMissed }
