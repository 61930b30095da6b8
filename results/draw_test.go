package results

import (
	"time"

	"pgregory.net/rapid"
)

// maybe draws v or, one time in three, none.
func maybe[T any](t *rapid.T, name string, v *rapid.Generator[T], none T) T {
	if rapid.IntRange(0, 2).Draw(t, name+" unknown") == 0 {
		return none
	}
	return v.Draw(t, name)
}

// drawSample draws any sample that the contract of Sample allows.
func drawSample(t *rapid.T) Sample {
	text := rapid.SampledFrom([]string{"", "vision", "agent", "rt-detrv2", "ä \x00,\n", "x"})
	count := rapid.Int64Range(0, 1<<40)
	moment := rapid.Custom(func(t *rapid.T) Offset {
		return Offset(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "ns"))
	})
	told := rapid.Custom(func(t *rapid.T) time.Duration { // 0 is a time, too
		return time.Duration(rapid.OneOf(rapid.Just(int64(0)), count).Draw(t, "told"))
	})
	s := Sample{
		Service:  rapid.SampledFrom([]string{"vision", "agent"}).Draw(t, "service"),
		Class:    text.Draw(t, "class"),
		Model:    text.Draw(t, "model"),
		Endpoint: text.Draw(t, "endpoint"),
		Seq:      count.Draw(t, "seq"), Session: count.Draw(t, "session"),
		User: maybe(t, "user", count, -1), Call: int(count.Draw(t, "call")),
		Last: rapid.Bool().Draw(t, "last"), Attempt: rapid.IntRange(0, 5).Draw(t, "attempt"),
		Due: moment.Draw(t, "due"), Sent: maybe(t, "sent", moment, NoOffset),
		First: maybe(t, "first", moment, NoOffset), Final: maybe(t, "final", moment, NoOffset), Done: moment.Draw(t, "done"),
		Outcome:   rapid.SampledFrom(Outcomes()).Draw(t, "outcome"),
		Status:    rapid.SampledFrom([]int{0, 200, 404, 429, 503}).Draw(t, "status"),
		BytesSent: count.Draw(t, "sent bytes"), BytesRead: count.Draw(t, "read bytes"), Chunks: rapid.Int64Range(0, 4).Draw(t, "chunks"),
		PromptTokens: maybe(t, "prompt", count, UnknownTokens),
		OutputTokens: maybe(t, "output", count, UnknownTokens),
		CachedTokens: maybe(t, "cached", count, UnknownTokens),
		ServerQueue:  maybe(t, "queue", told, Untold), ServerWork: maybe(t, "work", told, Untold), ServerRefused: rapid.Bool().Draw(t, "refused"),
	}
	s.Lag = time.Duration(count.Draw(t, "lag"))
	if s.Chunks > 1 {
		s.LongestGap = time.Duration(count.Draw(t, "gap"))
	}
	return s
}

func drawObservation(t *rapid.T) Observation {
	text := rapid.SampledFrom([]string{"", "vllm", "nvml", "ä \x00", "evabench:read_ok"})
	return Observation{
		At:     Offset(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "at")),
		Source: text.Draw(t, "source"),
		Subject: Subject{
			Kind: rapid.SampledFrom([]SubjectKind{SubjectEndpoint, SubjectInstance, SubjectGPU, SubjectClient}).Draw(t, "kind"),
			ID:   text.Draw(t, "id"), GPU: text.Draw(t, "gpu"), Detail: text.Draw(t, "detail"),
		},
		Series: text.Draw(t, "series"),
		Value:  rapid.Float64().Filter(func(v float64) bool { return v == v }).Draw(t, "value"),
		Unit:   text.Draw(t, "unit"),
	}
}

// oneStep is a step of one second's window with five samples, of which two
// are ok and in the window: latencies 30 ms and 2 h.
func oneStep(index int) (Step, []Sample) {
	ms := Offset(time.Millisecond)
	offered := 3.0
	step := Step{
		Index: index,
		Plan: StepPlan{
			Name: "3 req/s", Warmup: time.Second, Window: time.Second,
			Levels:   []Level{{Service: "vision", Arrivals: "constant", Value: 3, Unit: "req/s"}, {Service: "agent", Arrivals: "closed", Value: 0, Unit: "users"}},
			Failover: &Failover{Service: "agent", Instance: 1, How: "kill", At: time.Second / 3, Eject: 5 * time.Second, Restart: true},
		},
		Start: 0, WindowStart: 1000 * ms, WindowEnd: 2000 * ms, End: 2500 * ms,
		Services: []Integrity{{
			Service: "vision", Due: 3, WarmupDue: 1, Sent: 3, Offered: &offered,
			Dispersions: []Dispersion{{Part: 100 * time.Millisecond, N: 10, Scheduled: 0.7, Sent: 0.8}},
			InFlight:    []Occupancy{{Mean: 0.5, Max: 2}, {Mean: 1.5, Max: 3}},
			Gaps:        Gaps{N: 2, P50: 1, P90: 2, P99: 3, Max: 4},
		}, {Service: "agent"}},
		Client: &Client{Wall: time.Second, CPU: 2 * time.Millisecond, Loop: time.Millisecond, GCs: 1, GCPause: 1000, Stamped: 7, Unstamped: 2},
		Events: []Event{
			{At: 1334 * ms, Kind: EventEnded, Instance: "agent-1", Text: "signal 9 (killed)"},
			{At: 2600 * ms, Kind: EventAnswered, Instance: "agent-1"}, // after the step's end
		},
		OutOfMemory: map[string]int64{"vision-0": 2},
	}
	sample := func(seq int64, due, done Offset, outcome Outcome) Sample {
		return Sample{
			Service: "vision", Seq: seq, User: -1, Due: due, Sent: due, First: NoOffset, Final: NoOffset, Done: done, Outcome: outcome,
			PromptTokens: UnknownTokens, OutputTokens: UnknownTokens, CachedTokens: UnknownTokens,
			ServerQueue: Untold, ServerWork: Untold,
		}
	}
	return step, []Sample{
		sample(3, 1999*ms, 1999*ms+Offset(2*time.Hour), OK),
		sample(1, 1000*ms, 1030*ms, OK),
		sample(2, 1500*ms, 1600*ms, Timeout),
		sample(0, 999*ms, 1029*ms, OK),  // warm-up
		sample(4, 2000*ms, 2030*ms, OK), // just after the window
	}
}
