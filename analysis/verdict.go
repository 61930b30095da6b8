package analysis

import (
	"fmt"
	"strings"
)

// The verdicts on a step's service, the gravest first.
const (
	Void          = "void"           // nothing due, or arrivals unaccounted for
	ClientLimited = "client-limited" // our own lateness or want is part of the numbers
	Unjudged      = "not judged"     // no lag or no latency to judge by
	Saturated     = "saturated"      // the backlog grew: the load is more than the server does
	Unsteady      = "unsteady"       // it still drifted after the warm-up
	Valid         = "valid"          // no sign of any of these
)

// A Verdict says whether a step measures the server, and why.
type Verdict struct {
	Is  string `json:"is"`
	Why string `json:"why"`
}

// Measures reports whether the step measures the server: it is valid, or saturated,
// which is a finding about the server too.
func (v Verdict) Measures() bool { return v.Is == Valid || v.Is == Saturated }

// verdict judges a step's service: evabench ran all the time, no request failed for want of something of
// our own, our own lateness is at most 1 ms or 5 % of the least median that a
// clause is about, whichever is more, at its p99, and our thread that sends and reads was
// busy for at most BusyLimit of the window, as all of us of the machine. Each that does not hold is told. Only what
// the client did not spoil is judged by its backlog and its drift.
func (r serviceReader) verdict(s Service) Verdict {
	limits := r.limits(s)
	switch {
	case !s.Identity.Holds:
		return Verdict{Void, s.Identity.Why}
	case s.Identity.Due == 0 && r.step.Stopped != "":
		return Verdict{Void, "the step was ended in its warm-up: " + r.step.Stopped}
	case s.Identity.Due == 0:
		return Verdict{Void, "nothing was due in the window"}
	case len(limits) > 0:
		return Verdict{ClientLimited, strings.Join(limits, "; ")}
	case s.Integrity.Lag.N == 0:
		return Verdict{Unjudged, "no lag was measured"}
	case s.Total.Latency.N == 0:
		return Verdict{Unjudged, "no answer was ok"}
	case s.Growth.Result == Grew:
		return Verdict{Saturated, s.Growth.Why}
	case s.Drift.Result == Drifts:
		return Verdict{Unsteady, s.Drift.Why}
	case s.Growth.Result == Shrank:
		return Verdict{Unsteady, s.Growth.Why}
	}
	return Verdict{Valid, fmt.Sprintf("our own lag has p99 %.3g ms, at most %.3g ms", s.Integrity.Lag.P99.Seconds()*1e3, r.lagLimit(s)*1e3)}
}
