package analysis

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
)

// The recorded warnings of a step are the Summary's, with where they belong.
func TestStepWarningsAreKept(t *testing.T) {
	f := madeRun()
	w := results.Warning{Code: "of-tomorrow", Subject: "vision", Text: "x", Count: 3}
	f.cells[0].steps[0].step.Warnings = []results.Warning{w}
	s := summarized(t, f)
	if !slices.Contains(s.Warnings, Warning{"001-off-r1 step 0", w}) {
		t.Errorf("warnings %+v", s.Warnings)
	}
}

// openRun is the made-up run with vision in an open loop of so much. Change may
// change the i-th of its samples in the window.
func openRun(arrivals string, offered float64, scheduled int64, change func(i int, s *results.Sample)) facts {
	f := madeRun()
	samples := madeSamples(100*time.Millisecond, time.Second)
	n := 0
	for i := range samples {
		if s := &samples[i]; s.Service == "vision" {
			if s.Due >= at0(madeWarmup) {
				if change != nil {
					change(n, s)
				}
				n++
			}
		}
	}
	c := &f.cells[0]
	c.steps[0] = madeStep(samples, time.Second)
	step := &c.steps[0].step
	step.Plan.Levels[0] = results.Level{Service: "vision", Arrivals: arrivals, Value: offered, Unit: "req/s"}
	step.Services[0].Offered, step.Services[0].Scheduled = &offered, &scheduled
	return f
}

// A number of arrivals that chance does not make is warned of: the made-up run
// has 2,000 in the window, of which a Poisson process is at most 4·√mean + 1
// away, an even one 1 + mean/1000.
func TestScheduleAgainstRate(t *testing.T) {
	for _, c := range []struct {
		arrivals string
		rate     float64
		want     bool
	}{
		{"poisson", 20, false}, {"poisson", 21.8, false}, {"poisson", 21.95, true}, {"poisson", 18.28, false}, {"poisson", 18.2, true},
		{"gamma", 22, false}, {"gamma", 40, false}, {"trace", 20.02, false}, {"trace", 20.05, true},
		{"constant", 20, false}, {"constant", 20.02, false}, {"constant", 20.05, true}, {"constant", 19.95, true},
	} {
		s, v := visionOf(t, openRun(c.arrivals, c.rate, 2000, nil))
		if got := warned(s, "schedule-rate"); got != c.want {
			t.Errorf("%s at %v/s: warned %v", c.arrivals, c.rate, got)
		}
		number(t, "requested", v.Stimulus.Requested, c.rate)
		number(t, "scheduled", v.Stimulus.Scheduled, 20)
		number(t, "achieved", v.Stimulus.Achieved, 20)
	}
	// Of bursts with a dispersion of 4, 2,000 are 8·√mean + 1 at most away.
	for rate, want := range map[float64]bool{23.9: false, 24.1: true} {
		f := openRun("gamma", rate, 2000, nil)
		f.cells[0].steps[0].step.Services[0].Dispersions = []results.Dispersion{
			{Part: 10 * time.Second, N: 10, Scheduled: 4, Sent: 4}, {Part: time.Second, N: 100, Scheduled: 1, Sent: 1}, {Part: 50 * time.Second, N: 2, Scheduled: 9, Sent: 9},
		}
		if s, _ := visionOf(t, f); warned(s, "schedule-rate") != want {
			t.Errorf("gamma at %v/s: warned %v", rate, !want)
		}
	}
	s, v := visionOf(t, openRun("constant", 25, 2000, func(i int, s *results.Sample) {
		if i == 0 {
			s.Outcome = results.Cancelled
		}
	}))
	if warned(s, "schedule-rate") || v.Total.Due != 2000 {
		t.Error("a step that was stopped is judged by the rate of a whole one")
	}
}

// What is sent after the window's end was not achieved in it, from 1 % on; what
// waited within the window was.
func TestRateHeld(t *testing.T) {
	for _, c := range []struct {
		late int
		want bool
	}{{0, false}, {20, false}, {21, true}} {
		s, v := visionOf(t, openRun("constant", 20, 2000, func(i int, s *results.Sample) {
			if i >= c.late {
				return
			}
			s.Sent = at0(madeWarmup + madeWindow)
			s.First, s.Final, s.Done = s.Sent+1, s.Sent+1, s.Sent+1
		}))
		number(t, "achieved", v.Stimulus.Achieved, 20-float64(c.late)/100)
		if c.late == 0 {
			number(t, "wait for a slot", v.Stimulus.SlotWait, 0)
		} else if *v.Stimulus.SlotWait.Number <= 0 {
			t.Errorf("%d late: waited %v for a slot", c.late, *v.Stimulus.SlotWait.Number)
		}
		if warned(s, "rate-not-held") != c.want {
			t.Errorf("%d late: warned %v", c.late, !c.want)
		}
	}
	_, lagged := visionOf(t, openRun("constant", 20, 2000, func(i int, s *results.Sample) {
		s.Sent = s.Sent.Add(5 * time.Millisecond)
		s.Lag = 3 * time.Millisecond
	}))
	number(t, "wait for a slot", lagged.Stimulus.SlotWait, 0.002)
	closed, v := visionOf(t, madeRun())
	if v.Stimulus.Requested.Known() || !v.Stimulus.Requested.Inapplicable || warned(closed, "rate-not-held") {
		t.Errorf("a closed loop has %+v", v.Stimulus)
	}
}

// A retry is an arrival with an outcome and a latency of its own, and no session
// that the schedule knows of.
func TestRetriesAreArrivals(t *testing.T) {
	f := openRun("constant", 20, 1990, func(i int, s *results.Sample) {
		if i%2 == 0 && i < 20 { // number i failed, and i + 1 of the same user is its retry
			s.Outcome = results.HTTP5xx
		} else if i < 20 {
			s.Session, s.Attempt = s.Session-1, 1
		}
	})
	_, v := visionOf(t, f)
	if !v.Identity.Holds || v.Identity.Begun != 1990 || v.Total.Due != 2000 || v.Total.Retries != 10 {
		t.Errorf("identity %+v, %d due, %d retries", v.Identity, v.Total.Due, v.Total.Retries)
	}
	number(t, "achieved", v.Stimulus.Achieved, 19.9)
	number(t, "latency of attempts", v.Total.Latency.Quantiles[0].Value, 0.1)
	// The same samples without Attempt are ten sessions too many.
	var plain []results.Sample
	for s := range f.cells[0].steps[0].samples {
		s.Attempt = 0
		plain = append(plain, s)
	}
	f.cells[0].steps[0].samples = all(plain)
	if _, v := visionOf(t, f); v.Identity.Holds || !strings.Contains(v.Identity.Why, "1990") {
		t.Errorf("identity %+v", v.Identity)
	}
}

// What the load generator says that it sent is what the samples say.
func TestSentIsCountedTwice(t *testing.T) {
	f := madeRun()
	f.cells[0].steps[0].step.Services[0].Sent--
	s, v := visionOf(t, f)
	if v.Identity.Holds || v.Verdict.Is != Void || !strings.Contains(v.Identity.Why, "1999 arrivals were sent") || !warned(s, "arrivals-lost") {
		t.Errorf("identity %+v, verdict %+v", v.Identity, v.Verdict)
	}
}

// Dispersions are compared from ten parts on, in both directions alike, and
// only a difference of more than 0.1 is warned of.
func TestDispersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := results.Dispersion{
			Part: time.Second, N: rapid.Int64Range(2, 40).Draw(t, "n"),
			Scheduled: rapid.Float64Range(0, 3).Draw(t, "scheduled"), Sent: rapid.Float64Range(0, 3).Draw(t, "sent"),
		}
		turned := d
		turned.Scheduled, turned.Sent = d.Sent, d.Scheduled
		if got := distorted(d); got != (d.N >= 10 && math.Abs(d.Sent-d.Scheduled) > 0.1) || got != distorted(turned) {
			t.Fatalf("%+v: %v", d, got)
		}
		if same := d; distorted(results.Dispersion{N: d.N, Scheduled: same.Sent, Sent: same.Sent}) {
			t.Fatalf("%+v sent as scheduled is warned of", d)
		}
	})
	f := openRun("poisson", 20, 2000, nil)
	own := &f.cells[0].steps[0].step.Services[0]
	own.Dispersions = []results.Dispersion{{Part: time.Second, N: 100, Scheduled: 0.98, Sent: 0.99}, {Part: 5 * time.Second, N: 20, Scheduled: 1.02, Sent: 1.52}}
	s, _ := visionOf(t, f)
	var told []string
	for _, w := range s.Warnings {
		if w.Code == "dispersion" {
			told = append(told, w.Text)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], "parts of 5.000 s is 1.02 scheduled and 1.52 sent") {
		t.Errorf("told %q", told)
	}
}

// Above 80 % of a core our thread is part of the numbers, above 80 % of all all of us; each
// reason is told.
func TestBusyClientIsNotValid(t *testing.T) {
	for _, c := range []struct {
		loop   time.Duration
		all    time.Duration // of 2 processors in 100 s
		faults int64
		want   string
		says   []string
	}{
		{80 * time.Second, 160 * time.Second, 0, Valid, []string{"at most"}},
		{80*time.Second + 1, 90 * time.Second, 0, ClientLimited, []string{"busy for 80", "more than 80 %"}},
		{90 * time.Second, 90 * time.Second, 3, ClientLimited, []string{"busy for 90", "3 requests failed for want"}},
		{3 * time.Second, 161 * time.Second, 0, ClientLimited, []string{"we used 1.610 of our machine's 2 processors"}},
	} {
		f := madeRun()
		step := &f.cells[0].steps[0].step
		step.Client.Loop, step.Client.CPU, step.Services[0].ClientFaults = c.loop, c.all, c.faults
		s, v := visionOf(t, f)
		if v.Verdict.Is != c.want {
			t.Errorf("%v busy: %+v, want %s", c.loop, v.Verdict, c.want)
		}
		for _, text := range c.says {
			if !strings.Contains(v.Verdict.Why, text) {
				t.Errorf("%v busy: %q does not say %q", c.loop, v.Verdict.Why, text)
			}
		}
		if warned(s, "step-client-limited") != (c.want == ClientLimited) {
			t.Errorf("%v busy: warned %v", c.loop, c.want != ClientLimited)
		}
	}
	f := madeRun()
	f.cells[0].steps[0].step.Client = nil
	if s, v := visionOf(t, f); s.Cells[0].Steps[0].Client != nil || v.Verdict.Is != Valid {
		t.Errorf("without the client's use: %+v", v.Verdict)
	}
}

// The client's figures are shares of the window; reads without a stamp are
// warned of where tokens are timed, from 1 % on.
func TestClientUse(t *testing.T) {
	f := madeRun()
	c := summarized(t, f).Cells[0].Steps[0].Client
	number(t, "cores", c.Cores, 0.05)
	number(t, "busy", c.Busy, 0.03)
	number(t, "stamped", c.Stamped, 2400.0/2402)
	for unstamped, want := range map[int64]bool{1: false, 2: true} {
		step := &f.cells[0].steps[0].step
		step.Client.Stamped, step.Client.Unstamped = 100-unstamped, unstamped
		if got := warned(summarized(t, f), "unstamped-reads"); got != want {
			t.Errorf("%d of 100 reads without a stamp: warned %v", unstamped, got)
		}
	}
	f.cells[0].steps[0].step.Client = &results.Client{}
	c = summarized(t, f).Cells[0].Steps[0].Client
	why(t, "stamped", c.Stamped, "nothing was read")
	why(t, "cores", c.Cores, "no time")
	if !warned(summarized(t, f), "unstamped-reads") {
		t.Error("reads that nobody counted, as net/http's, are not warned of")
	}
}

// An answer's tokens after the first, times TPOT, fill the time from its first
// to its last chunk of content: what comes after, such as usage, does not
// matter. One token, or none told, gives no TPOT.
func TestTPOT(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.Int64Range(0, int64(time.Hour))
		s := results.Sample{Outcome: results.OK, Sent: 0, Chunks: rapid.Int64Range(2, 50).Draw(t, "chunks")}
		s.First = at0(time.Duration(span.Draw(t, "first")))
		s.Final = s.First + at0(time.Duration(span.Draw(t, "stream")))
		s.Done = s.Final + at0(time.Duration(span.Draw(t, "rest")))
		s.OutputTokens = rapid.Int64Range(-1, 1000).Draw(t, "tokens")
		var one tally
		one.add(&s, window{0, 1})
		if s.OutputTokens < 2 {
			if len(one.tpot) != 0 {
				t.Fatalf("%d tokens give a TPOT of %v", s.OutputTokens, one.tpot)
			}
			return
		}
		if len(one.tpot) != 1 || math.Abs(one.tpot[0]*float64(s.OutputTokens-1)-s.Final.Sub(s.First).Seconds()) > 1e-6 {
			t.Fatalf("%+v: TPOT %v", s, one.tpot)
		}
		g := one.group("", window{0, 1}, nil, true)
		number := *g.TokensPerChunk.Number
		if math.Abs(number*float64(s.Chunks)-float64(s.OutputTokens)) > 1e-6 {
			t.Fatalf("%d tokens in %d chunks: %v a chunk", s.OutputTokens, s.Chunks, number)
		}
	})
}
