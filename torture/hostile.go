package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/hostile"
	"github.com/evabench/evabench/results"
)

const (
	hostileTakes  = 5 * time.Millisecond // a good answer
	hostileLimit  = 4 * time.Second      // of one request
	hostileFlight = 64                   // requests at once, at most
	// hostileFrom is how many requests the mixed server answers well before the first
	// case: readiness is among them.
	hostileFrom = 10
)

// A mixture is the load of one run. Half of the requests go to a server that is sound,
// half to one that plays a case with every so many of them.
type mixture struct {
	rate    int // requests a second
	every   int // requests to the mixed server to a hostile answer, at the most; 0 means that it plays none
	seconds int // a second of warm-up included
}

// usual plays a case with one request in twenty of all: each case at least once.
var usual = mixture{rate: 300, every: 10, seconds: 7}

// sure is how many cases are played at the least: what is expected less five of the
// standard deviations of its Poisson arrivals.
func (m mixture) sure() int {
	asked := float64(m.rate*m.seconds) / 2
	return int((asked - 5*math.Sqrt(asked) - hostileFrom) / float64(m.every))
}

// calm is the same without cases.
func (m mixture) calm() mixture { m.every = 0; return m }

// scenario is the text of a run against two servers, the mixed one first.
func (m mixture) scenario(p protocol, mixed, sound net.Addr, seed uint64) string {
	return fmt.Sprintf(`version: 1
name: hostile
server: {backend: none}
services:
  asked:
    role: vision
    launcher: {kind: external, instances: [{url: "http://%s"}, {url: "http://%s"}]}
    endpoint: %s
    models: {m: {}}
    workload: %s
    load: {arrivals: poisson, levels: [%d]}
    warm: 0s
    timeout: %s
    max_in_flight: %d
steps: {warmup: 1s, window: %ds}
seed: %d
matrix:
  layout: ["off"]
  routing: [round-robin]
`, mixed, sound, p.endpoint, p.workload, m.rate, hostileLimit, hostileFlight, m.seconds-1, seed)
}

// tryHostile drives every kind of endpoint, and all of them again until n hostile answers
// were given.
func tryHostile(ctx context.Context, b *bed, n int) (tally, error) {
	defer first()()
	var t tally
	pairs := 0
	for seed := b.seed; t.tried < n; seed++ {
		for _, p := range protocols() {
			judged, err := t.hostile(ctx, b, usual, p, seed)
			if err != nil {
				return t, fmt.Errorf("%s, seed %d: %w", p.name, seed, err)
			}
			if judged {
				pairs++
			}
		}
	}
	if pairs == 0 {
		t.faults = append(t.faults, "no latency could be judged: this machine is too busy")
	}
	return t, nil
}

// A hostileRun is what came of one run.
type hostileRun struct {
	began        time.Time       // the cell's origin
	mixed, sound []hostile.Asked // since the cell's origin
	samples      []results.Sample
	most         int           // connections to the mixed server at once
	held         time.Duration // longest that one was kept of no use
	peaks
	others float64 // share of this machine's processors that others used meanwhile
	said   string
	err    error // of the command
}

// spoiltTries is how often a pair of runs is made whose latencies differ, or cannot be
// judged: other work on this machine does that too.
const spoiltTries = 3

// hostile makes a run without a hostile answer and one with them, and adds what became
// of the answers. It reports whether the latencies could be judged.
func (t *tally) hostile(ctx context.Context, b *bed, m mixture, p protocol, seed uint64) (judged bool, err error) {
	var calm hostileRun
	for try := 1; ; try++ {
		if try == 1 || calm.limited() || calm.busy() {
			if calm, err = m.calm().run(ctx, b, p, seed); err != nil {
				return false, err
			}
		}
		rough, err := m.run(ctx, b, p, seed)
		if err != nil {
			return false, err
		}
		fmt.Fprintf(b.talk, "hostile: %s, seed %d: %s\n", p.name, seed, compared(calm, rough))
		slower, judged := slowed(calm, rough)
		again := (len(slower) > 0 || !judged) && try < spoiltTries
		if again {
			slower = nil // all but the latencies is judged every time
		}
		t.judgeHostile(m, fmt.Sprintf("seed %d, %s", seed, p.name), calm, rough, slower)
		left, err := b.left()
		t.left = append(t.left, left...)
		if !again || err != nil {
			return judged, err
		}
	}
}

// run makes one run.
func (m mixture) run(ctx context.Context, b *bed, p protocol, seed uint64) (r hostileRun, err error) {
	serve := func(every int) (*hostile.Mix, net.Addr, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		return hostile.ServeMix(l, hostile.Options{
			Good: p.good, After: hostileTakes, Every: every, From: hostileFrom, Cases: p.cases(), Seed: seed,
		}), l.Addr(), nil
	}
	mixed, mixedAt, err := serve(p.every(m))
	if err != nil {
		return r, err
	}
	defer mixed.Close()
	sound, soundAt, err := serve(0)
	if err != nil {
		return r, err
	}
	defer sound.Close()

	scenario, err := b.file("hostile.yaml", m.scenario(p, mixedAt, soundAt, seed))
	if err != nil {
		return r, err
	}
	dir := filepath.Join(b.dir, "run")
	if err := os.RemoveAll(dir); err != nil {
		return r, err
	}
	before := readProcessors()
	r.said, r.err = watched(b.command(ctx, "sweep", scenario, "--out", dir, "--no-selftest", "--yes"), r.look)
	r.others = readProcessors().since(before)
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	r.most, r.held = mixed.Most(), mixed.Held()
	run, err := results.Read(dir)
	if err != nil {
		return r, fmt.Errorf("%w\n%s", err, r.said)
	}
	return r, r.read(run, mixed.Asked(), sound.Asked())
}

// read takes the samples, and what the servers were asked since the cell's origin:
// readiness is before it.
func (r *hostileRun) read(run *results.Run, mixed, sound []hostile.Asked) error {
	if len(run.Cells) != 1 || len(run.Cells[0].Steps) != 1 || len(run.Problems) > 0 {
		return fmt.Errorf("the run is not one cell with one step: %v\n%s", run.Problems, r.said)
	}
	cell := run.Cells[0]
	r.began = cell.Cell.Started
	since := func(all []hostile.Asked) []hostile.Asked {
		return slices.DeleteFunc(all, func(a hostile.Asked) bool { return a.At.Before(cell.Cell.Started) })
	}
	r.mixed, r.sound = since(mixed), since(sound)
	for s, err := range cell.Steps[0].Samples() {
		if err != nil {
			return err
		}
		r.samples = append(r.samples, s)
	}
	return nil
}

// of gives the samples that went to a server, by its number.
func (r hostileRun) of(server int) (all []results.Sample) {
	name := fmt.Sprintf("asked-%d", server)
	for _, s := range r.samples {
		if s.Endpoint == name && s.Sent != results.NoOffset {
			all = append(all, s)
		}
	}
	return all
}

// judgeHostile holds the outcomes of a rough run against what its server did.
func (t *tally) judgeHostile(m mixture, which string, calm, rough hostileRun, slower []string) {
	played := 0
	for _, a := range rough.mixed {
		if a.Case != "" && a.Want != results.OK {
			played++
		}
	}
	requests := len(rough.mixed) + len(rough.sound)
	t.requests += int64(requests)
	t.accounted += int64(len(rough.of(0)) + len(rough.of(1)))

	wrong, faults := rough.miscounted(rough.mixed, rough.of(0))
	more, others := rough.miscounted(rough.sound, rough.of(1))
	wrong += more
	faults = append(faults, others...)
	faults = append(faults, unbounded(calm, rough)...)
	faults = append(faults, slower...)
	if !calm.ended() || !rough.ended() {
		faults = append(faults, fmt.Sprintf("evabench: without: %v; with: %v", calm.err, rough.err))
	}
	if played < m.sure() {
		faults = append(faults, fmt.Sprintf("only %d hostile answers were given, at least %d were to be", played, m.sure()))
	}
	if len(faults) > 0 {
		wrong = max(wrong, 1)
		t.faults = append(t.faults, which+": "+strings.Join(faults, "; "))
	}
	t.tried += played
	t.survived += played - min(wrong, played)
}

// hostileNear is by how much the moment at which a server took note of a request may lie
// before it was sent, or after it was done: both run on a machine that does more.
const hostileNear = 250 * time.Millisecond

// miscounted holds samples against what a server was asked. To each request belongs one
// sample of the outcome that it was to have, in flight when the server took note of it. It
// gives how many are not what they should be, at the least, and which.
func (r hostileRun) miscounted(asked []hostile.Asked, samples []results.Sample) (wrong int, faults []string) {
	missing, surplus := 0, 0
	for _, o := range results.Outcomes() {
		few, many := r.unmatched(o, asked, samples)
		missing, surplus = missing+few, surplus+many
		if few > 0 {
			faults = append(faults, fmt.Sprintf("%d %s too few", few, o))
		}
		if many > 0 {
			faults = append(faults, fmt.Sprintf("%d %s too many", many, o))
		}
	}
	return max(missing, surplus), faults
}

// unmatched gives how many requests that were to have an outcome have no sample, and how
// many samples of it have no request, where as many as can be are matched: each request, as
// they came, with the sample that was done first.
func (r hostileRun) unmatched(o results.Outcome, asked []hostile.Asked, samples []results.Sample) (few, many int) {
	left := slices.DeleteFunc(slices.Clone(samples), func(s results.Sample) bool { return s.Outcome != o })
	slices.SortFunc(left, func(a, b results.Sample) int { return cmp.Compare(a.Done, b.Done) })
	asked = slices.DeleteFunc(slices.Clone(asked), func(a hostile.Asked) bool { return a.Want != o })
	slices.SortFunc(asked, func(a, b hostile.Asked) int { return a.At.Compare(b.At) })
	for _, a := range asked {
		at := results.Offset(a.At.Sub(r.began))
		i := slices.IndexFunc(left, func(s results.Sample) bool {
			return s.Sent.Add(-hostileNear) <= at && at <= s.Done.Add(hostileNear)
		})
		if i < 0 {
			few++
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	return few, len(left)
}

// unbounded says what the rough run took without bound.
func unbounded(calm, rough hostileRun) (faults []string) {
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if more := rough.memory - calm.memory; more > hostileMemory {
		say("%d MiB of memory more than without, at most %d are allowed", more>>20, hostileMemory>>20)
	}
	if rough.sockets > calm.sockets+hostileFlight {
		say("%d sockets at once, %d without; %d requests were in flight at most", rough.sockets, calm.sockets, hostileFlight)
	}
	if rough.most > hostileFlight {
		say("%d connections at once to the mixed server, %d requests were in flight at most", rough.most, hostileFlight)
	}
	if rough.held > hostileHeld {
		say("a connection of no use was kept for %v", rough.held.Round(time.Millisecond))
	}
	return faults
}

const (
	// hostileMemory is what hostile answers may take: some answers of answerMax at
	// once, in buffers that grow by halves and are collected late.
	hostileMemory = 12 * answerMax
	// hostileHeld is how long a connection may be kept that the server has done with:
	// a time limit, or the limit on idle ones, and a second.
	hostileHeld = hostileLimit + time.Second
)

// exitNoValid is evabench's status when the load generator was late: all is recorded,
// and its figures are told not to be valid.
const exitNoValid = 4

// limited reports whether the load generator was late.
func (r hostileRun) limited() bool {
	exit, ok := errors.AsType[*exec.ExitError](r.err)
	return ok && exit.ExitCode() == exitNoValid
}

// ended reports whether the command ended as it should.
func (r hostileRun) ended() bool { return r.err == nil || r.limited() }

// hostileQuantiles are the latencies that are held against those without hostile answers:
// they may be so many times as long, and so many seconds longer.
var hostileQuantiles = []struct{ at, factor, plus float64 }{{0.5, 1.1, 0.5e-3}, {0.95, 1.25, 2e-3}, {0.99, 1.5, 5e-3}}

// busy reports whether others used so much of this machine that latencies differ for that.
func (r hostileRun) busy() bool { return r.others > 0.2 }

// slowed says by how much the sound server's requests were slower than without hostile
// answers beside them. It is not judged where the load generator was late without them,
// or the machine did other work.
func slowed(calm, rough hostileRun) (faults []string, judged bool) {
	if calm.limited() {
		return nil, false
	}
	before, after := latencies(calm.of(1)), latencies(rough.of(1))
	for _, q := range hostileQuantiles {
		was, is := quantile(before, q.at), quantile(after, q.at)
		if !(is <= was*q.factor+q.plus) {
			faults = append(faults, fmt.Sprintf("p%g of the sound server's requests is %.2f ms, %.2f ms without", q.at*100, is*1e3, was*1e3))
		}
	}
	if len(faults) > 0 && (calm.busy() || rough.busy()) {
		return nil, false
	}
	return faults, true
}

// compared is a pair of runs in one line.
func compared(calm, rough hostileRun) string {
	before, after := latencies(calm.of(1)), latencies(rough.of(1))
	var b strings.Builder
	for _, q := range hostileQuantiles {
		fmt.Fprintf(&b, "p%g %.2f to %.2f ms, ", q.at*100, quantile(before, q.at)*1e3, quantile(after, q.at)*1e3)
	}
	fmt.Fprintf(&b, "memory %d to %d MiB, sockets %d to %d, connections kept of no use %v at most; others used %.0f %% of the machine",
		calm.memory>>20, rough.memory>>20, calm.sockets, rough.sockets, rough.held.Round(10*time.Millisecond), rough.others*100)
	if calm.limited() {
		b.WriteString("; the load generator was late without hostile answers")
	}
	return b.String()
}

// latencies are of the answers, in seconds, ascending.
func latencies(samples []results.Sample) (all []float64) {
	for _, s := range samples {
		if s.Outcome == results.OK {
			all = append(all, s.Done.Sub(s.Due).Seconds())
		}
	}
	slices.Sort(all)
	return all
}

// quantile is the smallest of the values that at least a share of them do not pass; NaN
// of none.
func quantile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}
