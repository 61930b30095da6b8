package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// A tally gathers samples of one group; spans are in seconds.
type tally struct {
	due       int64
	retries   int64 // of due
	outcomes  [results.NotSent + 1]int64
	completed int64
	taken     int64 // samples of the step

	latency, wait, served   []float64
	ttft, sentTTFT, tpot    []float64
	longest                 []float64 // gap between chunks, of each answer with two
	streamed                bool      // an ok answer came in more than one chunk
	prompt, output          int64
	untoldPrompt, untoldOut int64
	// told and chunks are of the ok answers of the window that told their tokens.
	told, chunks int64
	overlap      float64 // seconds in flight within the window, over all that were sent
}

// add takes a sample of the step, whenever it was due.
func (t *tally) add(s *results.Sample, w window) {
	t.taken++
	if s.Sent != results.NoOffset {
		if from, to := max(s.Sent, w.from), min(s.Done, w.to); to > from {
			t.overlap += to.Sub(from).Seconds()
		}
	}
	if s.Outcome == results.OK && w.holds(s.Done) {
		t.completed++
		addTokens(&t.prompt, &t.untoldPrompt, s.PromptTokens)
		addTokens(&t.output, &t.untoldOut, s.OutputTokens)
	}
	if !w.holds(s.Due) {
		return
	}
	t.due++
	t.outcomes[s.Outcome]++
	if s.Attempt > 0 {
		t.retries++
	}
	if s.Outcome != results.OK {
		return
	}
	t.latency = append(t.latency, s.Done.Sub(s.Due).Seconds())
	if s.Sent != results.NoOffset {
		t.wait = append(t.wait, s.Sent.Sub(s.Due).Seconds())
		t.served = append(t.served, s.Done.Sub(s.Sent).Seconds())
	}
	if s.First != results.NoOffset {
		t.addStream(s)
	}
}

// addStream takes the chunks of an ok answer of the window.
func (t *tally) addStream(s *results.Sample) {
	t.streamed = t.streamed || s.Chunks > 1
	t.ttft = append(t.ttft, s.First.Sub(s.Due).Seconds())
	if s.Sent != results.NoOffset {
		t.sentTTFT = append(t.sentTTFT, s.First.Sub(s.Sent).Seconds())
	}
	if s.OutputTokens != results.UnknownTokens && s.Chunks > 0 {
		t.told += s.OutputTokens
		t.chunks += s.Chunks
	}
	if s.Chunks > 1 {
		t.longest = append(t.longest, s.LongestGap.Seconds())
	}
	if s.Final != results.NoOffset && s.OutputTokens >= 2 {
		t.tpot = append(t.tpot, s.Final.Sub(s.First).Seconds()/float64(s.OutputTokens-1))
	}
}

func addTokens(sum, untold *int64, tokens int64) {
	if tokens == results.UnknownTokens {
		*untold++
		return
	}
	*sum += tokens
}

// A window is where arrivals must be due to count: from ≤ Due < to.
type window struct{ from, to results.Offset }

func (w window) holds(at results.Offset) bool {
	return at != results.NoOffset && at >= w.from && at < w.to
}

func (w window) length() time.Duration { return w.to.Sub(w.from) }

func (w window) seconds() float64 { return w.length().Seconds() }

// group tells of the tally; it sorts the tally's slices. Streams says that
// the service's answers were streamed: only then is a first byte a first
// token.
func (t *tally) group(name string, w window, quantiles []float64, streams bool) Group {
	g := Group{
		Name: name, Due: t.due, Retries: t.retries, Outcomes: []Count{}, OK: t.outcomes[results.OK], Completed: t.completed,
		Answered:   perSecond(float64(t.outcomes[results.OK]), w),
		Throughput: perSecond(float64(t.completed), w),
		PerHour:    known(float64(t.completed)*3600/w.seconds(), "1"),
		InFlight:   t.inFlight(w),
		Latency:    distributionOver(t.latency, quantiles, w),
		Wait:       distributionOver(t.wait, quantiles, w),
		Served:     distributionOver(t.served, quantiles, w),
		Prompt:     tokens(t.prompt, t.untoldPrompt, w),
		Output:     tokens(t.output, t.untoldOut, w),
	}
	for o, n := range t.outcomes {
		if n > 0 {
			g.Outcomes = append(g.Outcomes, Count{results.Outcome(o), n})
		}
	}
	if !streams {
		g.TTFT, g.SentTTFT, g.TPOT, g.LongestGap = notStreamed(), notStreamed(), notStreamed(), notStreamed()
		g.TokensPerChunk = inapplicable("1", g.TPOT.Mean.Why)
		return g
	}
	g.TTFT = distributionOver(t.ttft, quantiles, w)
	g.SentTTFT = distributionOver(t.sentTTFT, quantiles, w)
	g.TPOT = distributionOver(t.tpot, quantiles, w)
	g.LongestGap = distributionOver(t.longest, quantiles, w)
	g.TokensPerChunk = unknown("1", "no answer told its tokens")
	if t.chunks > 0 {
		g.TokensPerChunk = known(float64(t.told)/float64(t.chunks), "1")
	}
	return g
}

func (t *tally) inFlight(w window) Value {
	if w.length() <= 0 {
		return unknown("1", "empty window")
	}
	return known(t.overlap/w.seconds(), "1")
}

func notStreamed() Distribution {
	v := inapplicable("s", "answers were not streamed")
	return Distribution{Mean: v, Deviation: v, Min: v, Max: v, Quantiles: []Quantile{}}
}

func perSecond(n float64, w window) Value {
	if w.length() <= 0 {
		return unknown("1/s", "empty window")
	}
	return known(n/w.seconds(), "1/s")
}

func tokens(sum, untold int64, w window) Tokens {
	t := Tokens{Sum: sum, Untold: untold, PerSecond: perSecond(float64(sum), w)}
	if untold > 0 && sum == 0 {
		t.PerSecond = unknown("1/s", "no answer told its tokens")
	} else if untold > 0 {
		t.PerSecond = unknown("1/s", fmt.Sprintf("%d answers did not tell their tokens", untold))
	}
	return t
}

// distribution tells of spans in seconds, which it sorts in place.
func distribution(seconds []float64, quantiles []float64) Distribution {
	stats.Sort(seconds)
	d := Distribution{N: int64(len(seconds)), Quantiles: []Quantile{}}
	if len(seconds) == 0 {
		none := unknown("s", "no samples")
		d.Mean, d.Deviation, d.Min, d.Max = none, none, none, none
	} else {
		d.Mean, d.Deviation = known(stats.Mean(seconds), "s"), deviation(seconds)
		d.Min = known(seconds[0], "s")
		d.Max = known(seconds[len(seconds)-1], "s")
	}
	for _, q := range quantiles {
		d.Quantiles = append(d.Quantiles, Quantile{Q: q, Value: quantile(seconds, q)})
	}
	return d
}

// deviation is how far values lie from their mean; of one it says nothing.
func deviation(seconds []float64) Value {
	if len(seconds) < 2 {
		return unknown("s", "one sample has no spread")
	}
	return known(stats.Deviation(seconds), "s")
}

// distributionOver is distribution of spans that were gathered over a window and
// stand in the order of time: its quantiles have intervals.
func distributionOver(seconds []float64, quantiles []float64, w window) Distribution {
	inOrder := slices.Clone(seconds)
	d := distribution(seconds, quantiles)
	for i := range d.Quantiles {
		if q := &d.Quantiles[i]; q.Known() {
			q.Low, q.High, q.Open = interval(inOrder, seconds, q.Q, w.length())
		}
	}
	return d
}

// quantile gives a quantile of sorted seconds, or says how many samples it
// would need.
func quantile(sorted []float64, q float64) Value {
	if len(sorted) == 0 {
		return unknown("s", "no samples")
	}
	if need := stats.MinSamples(q); len(sorted) < need {
		return unknown("s", fmt.Sprintf("need n ≥ %d", need))
	}
	return known(stats.Quantile(sorted, q), "s")
}

// A cutter tells of the tallies that a total is cut into.
type cutter struct {
	total     Group
	taken     int64 // samples of the total
	window    window
	quantiles []float64
	streams   bool
}

// groups makes the groups of tallies, sorted by name. One that has all samples is told of
// as the total is.
func (c cutter) groups(tallies map[string]*tally) []Group {
	list := []Group{}
	for name, t := range tallies {
		g := c.total
		if g.Name = name; t.taken != c.taken {
			g = t.group(name, c.window, c.quantiles, c.streams)
		}
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// at gives the tally of a name, made if there is none.
func at(tallies map[string]*tally, name string) *tally {
	t := tallies[name]
	if t == nil {
		t = &tally{}
		tallies[name] = t
	}
	return t
}
