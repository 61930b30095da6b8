package loadgen

import (
	"fmt"
	"time"

	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// A call is one arrival from when it fell due until its sample is recorded.
// Calls are used again, so that none is made for each request.
type call struct {
	*service
	x       Exchange
	session *session
	ask     ask
	number  int // the call's place within its session
	sample  results.Sample
	state   callState
	target  int
	timer   pace.Timer // of the wait for a slot, the exchange or the pause
	at      int        // in live
	next    *call      // in the queue, or the next free one
}

type callState uint8

const (
	callDue     callState = iota // not sent, and not waiting
	callQueued                   // waits for a slot
	callFlying                   // in flight
	callPausing                  // waits to be due once more
	callOver                     // waits for its session to tell whether it is the last
)

// An ask is a request ready to be sent.
type ask struct {
	request  *Request
	prepared Prepared
	err      error // why there is none
}

// newCall gives a call that is not in use.
func (s *service) newCall() *call {
	c := s.free
	if c == nil {
		c = &call{service: s}
		c.x.Done, c.x.Gap, c.timer.F = c.answered, c.gap, c.alarm
	} else {
		s.free = c.next
	}
	c.next = nil
	return c
}

// enter lists the call among those that a stop has to end.
func (c *call) enter() {
	c.at = len(c.live)
	c.live = append(c.live, c)
}

// leave is the opposite.
func (c *call) leave() {
	s := c.service
	s.loop.Stop(&c.timer)
	last := s.live[len(s.live)-1]
	s.live[c.at], last.at = last, c.at
	s.live = s.live[:len(s.live)-1]
}

// drop gives the call back to be used again.
func (c *call) drop() {
	c.session, c.ask = nil, ask{}
	c.next, c.free = c.free, c
}

// arrive lets a call fall due, whatever becomes of it. The moment may be past,
// but never to come. The session has counted it as out.
func (s *service) arrive(session *session, number int, a ask, due results.Offset, attempt int) {
	c := s.newCall()
	c.session, c.number, c.ask = session, number, a
	c.fallDue(due, attempt)
}

// fallDue begins the sample of one attempt.
func (c *call) fallDue(due results.Offset, attempt int) {
	s := c.service
	c.state = callDue
	c.enter()
	s.fellDue(due)
	c.sample = results.Sample{
		Service: s.load.Service, Seq: s.seq*int64(s.shard.Of) + int64(s.shard.Index),
		Session: c.session.n, User: c.session.userNumber(), Call: c.number, Attempt: attempt,
		Due: due, Sent: results.NoOffset, First: results.NoOffset, Final: results.NoOffset, Done: results.NoOffset,
		PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
		ServerQueue: results.Untold, ServerWork: results.Untold,
	}
	s.seq++
	if c.ask.request != nil {
		c.sample.Class, c.sample.Model = c.ask.request.Class, c.ask.request.Model
	}
	if c.number == 0 && attempt == 0 {
		s.tally.scheduledAt(due)
	}
	switch {
	case c.ask.err != nil:
		s.fail(c.ask.err)
		c.unsent(results.Cancelled, stopText)
	case s.stopped:
		c.unsent(results.Cancelled, stopText)
	default:
		c.admit()
	}
}

const stopText = "the step was stopped"

// admit sends the call if there is a slot, and lets it wait for one if not.
func (c *call) admit() {
	s := c.service
	if !s.full() && s.queue.first == nil { // else those who wait go first
		c.send(c.sample.Due)
		return
	}
	if c.sample.Lag = s.loop.Now().Sub(c.sample.Due); c.sample.Lag >= s.load.Timeout {
		c.notSent()
		return
	}
	c.state = callQueued
	s.queue.push(c)
	s.loop.Set(&c.timer, c.sample.Due.Add(s.load.Timeout))
}

// send takes a slot and sends the call. Freed is since when there was one: what
// we took to come to that is our lag, and no wait.
func (c *call) send(freed results.Offset) {
	s := c.service
	target, err := s.pick(c.session.n, c.ask.request)
	if err != nil {
		s.fail(err)
		c.unsent(results.Cancelled, stopText)
		return
	}
	c.target = target
	c.sample.Endpoint = s.load.Targets[target].Name
	c.sample.Sent = s.loop.Now()
	s.occupied(c.sample.Sent, target, 1)
	if c.state == callQueued {
		c.sample.Lag += c.sample.Sent.Sub(max(freed, c.sample.Due.Add(c.sample.Lag)))
	} else {
		c.sample.Lag = c.sample.Sent.Sub(c.sample.Due)
	}
	if s.inWindow(c.sample.Due) {
		s.tally.lag(c.sample.Lag)
		s.tally.sent++
	}
	if c.number == 0 && c.sample.Attempt == 0 {
		s.tally.sentAt(c.sample.Sent)
	}
	c.state = callFlying
	s.loop.Set(&c.timer, c.sample.Sent.Add(s.load.Timeout))
	s.lines[target].Send(c.ask.prepared, &c.x)
}

// gap takes note of the time between two chunks.
func (c *call) gap(d time.Duration) {
	if c.inWindow(c.sample.Due) {
		c.tally.gap(d)
	}
}

// alarm is called at the end of whatever the call waits for.
func (c *call) alarm() {
	switch c.state {
	case callQueued:
		c.queue.remove(c)
		c.notSent()
	case callFlying:
		c.lines[c.target].Abort(&c.x, results.Timeout)
	case callPausing:
		c.leave()
		if c.session.failed { // meanwhile, in a call beside it
			c.session.settle(c, nil)
			return
		}
		c.fallDue(c.sample.Done.Add(c.load.Retry.Pause), c.sample.Attempt+1)
	}
}

// cancel ends the call because the step was stopped.
func (c *call) cancel() {
	switch c.state {
	case callQueued:
		c.queue.remove(c)
		c.unsent(results.Cancelled, stopText)
	case callFlying:
		c.lines[c.target].Abort(&c.x, results.Cancelled)
	default: // a retry that never falls due
		c.leave()
		c.session.failed = true
		c.session.settle(c, nil)
	}
}

// notSent ends a call that got no slot in time. Its text tells the server's
// slowness from our own.
func (c *call) notSent() {
	s, late := c.service, c.sample.Lag
	if s.inWindow(c.sample.Due) {
		s.tally.lag(late)
	}
	if s.tally.told(results.NotSent) {
		c.unsent(results.NotSent, "")
		return
	}
	text := fmt.Sprintf("no slot was free within %v; %d in flight", s.load.Timeout, s.limit)
	switch {
	case late >= s.load.Timeout:
		text = fmt.Sprintf("the load generator was %v late, its timeout of %v was over before it asked for a slot", late, s.load.Timeout)
	case late > s.load.Timeout/10:
		text += fmt.Sprintf("; the load generator was %v late", late)
	}
	c.unsent(results.NotSent, text)
}

// unsent ends an arrival that was never sent.
func (c *call) unsent(outcome results.Outcome, detail string) {
	c.x.Begin()
	c.x.Answer.Outcome, c.x.Answer.Detail = outcome, detail
	c.sample.Done = c.loop.Now()
	c.end()
}

// answered takes the answer to a call that was in flight.
func (c *call) answered(x *Exchange) {
	s, a := c.service, &x.Answer
	s.loop.Stop(&c.timer)
	now := s.loop.Now()
	s.occupied(now, c.target, -1)
	c.stamp(a, now)
	if a.ClientFault && s.inWindow(c.sample.Due) {
		s.tally.clientFaults++
	}
	c.sample.Status, c.sample.Chunks = a.Status, a.Chunks
	c.sample.BytesSent, c.sample.BytesRead = a.BytesSent, a.BytesRead
	c.sample.PromptTokens, c.sample.OutputTokens, c.sample.CachedTokens = a.PromptTokens, a.OutputTokens, a.CachedTokens
	c.sample.ServerQueue, c.sample.ServerWork, c.sample.ServerRefused = a.ServerQueue, a.ServerWork, a.ServerRefused
	freed := c.sample.Done
	c.end()
	s.admitNext(freed)
}

// stamp takes the answer's moments, now at the latest. The kernel's stamps come from another clock
// and are turned to ours within some microseconds, so one may seem to lie before
// Sent; it did not. An answer that came in after the time limit is a timeout even
// if it was read before the limit's timer went off.
func (c *call) stamp(a *Answer, now results.Offset) {
	sent := c.sample.Sent
	if a.Done == results.NoOffset || a.Done > now {
		a.Done = now
	}
	within := func(at results.Offset) results.Offset {
		if at == results.NoOffset {
			return at
		}
		return min(max(at, sent), max(a.Done, sent))
	}
	c.sample.First, c.sample.Final = within(a.First), within(a.Final)
	c.sample.Done, c.sample.LongestGap = max(a.Done, sent), a.LongestGap
	switch {
	case a.Outcome == 0:
		a.Outcome, a.Detail = results.Malformed, "the endpoint gave no outcome"
	case a.Outcome == results.OK && c.sample.Done.Sub(sent) > c.load.Timeout:
		a.Outcome, a.Detail = results.Timeout, "the answer came after the timeout"
	}
}

// admitNext gives free slots to the calls that wait longest.
func (s *service) admitNext(freed results.Offset) {
	for s.queue.first != nil && !s.full() && !s.stopped {
		c := s.queue.first
		s.queue.remove(c)
		s.loop.Stop(&c.timer)
		c.send(freed)
	}
}

// A queue is calls in the order in which they came.
type queue struct{ first, last *call }

func (q *queue) push(c *call) {
	c.next = nil
	if q.first == nil {
		q.first, q.last = c, c
		return
	}
	q.last.next, q.last = c, c
}

// remove takes a call out, most often the first.
func (q *queue) remove(c *call) {
	var before *call
	for at := q.first; at != c; at = at.next {
		before = at
	}
	if before == nil {
		q.first = c.next
	} else {
		before.next = c.next
	}
	if q.last == c {
		q.last = before
	}
	c.next = nil
}
