// Package loadgen drives services with load and records what became of every
// single arrival.
//
// The schedule of a step is data made from a seed before the step begins; it is
// never re-anchored, thinned or caught up in silence. Latency counts from when
// a request was due. The stages are
//
//	Arrivals or Population → Workload (sessions of requests) → Router → Endpoint → Sample
//
// and [Drive] runs them for all services of a step together.
package loadgen

import (
	"context"
	"iter"
	"time"

	"github.com/evabench/evabench/results"
)

// A Request is one question to a service, before an [Endpoint] has put it in
// its protocol's words. Vision requests carry one image; Agent requests carry
// messages. A Request is not changed once it is made.
type Request struct {
	Class     string    // request class, kept in the Sample
	Model     string    // model name as the server knows it
	Image     []byte    // Vision: a JPEG; shared, read only
	Labels    []string  // Vision, open vocabulary: what to look for
	Messages  []Message // Agent
	MaxTokens int       // Agent: bound on the answer's length
}

// A Message is one turn of a chat.
type Message struct {
	Role   string // "system", "user", "assistant"
	Text   string
	Images [][]byte // JPEGs, after the text
}

// An Answer is what an Endpoint learned from one exchange. Outcome is always
// set.
type Answer struct {
	Outcome   results.Outcome
	Status    int   // HTTP status, 0 if none came
	BytesSent int64 // request body
	BytesRead int64 // response body
	Chunks    int64 // content chunks
	Text      string
	// Tokens as the server's usage tells them, or results.UnknownTokens.
	PromptTokens, OutputTokens, CachedTokens int64
	// ClientFault is whether the exchange failed for want of this machine's own
	// descriptors, ports or memory. Outcome is Connect then.
	ClientFault bool
	// Detail is the beginning of the server's words, or the fault's, when
	// Outcome is not OK.
	Detail string
}

// A Prepared request is ready to be sent once: everything that can be done
// before it is due has been done.
type Prepared interface {
	// Do sends the request and reads the whole answer. It calls first, once, on
	// the first byte of content (first token of a stream, first byte of a
	// body), and reads no clock. It does not call it where that byte would pass
	// for a first token and is none: a chat answered as a whole. It obeys ctx: past its deadline the Outcome is
	// Timeout, when cancelled it is Cancelled. It retries nothing.
	Do(ctx context.Context, first func()) Answer
}

// An Endpoint speaks one protocol to one service instance. It is safe for
// concurrent use.
type Endpoint interface {
	// Prepare puts a request in the protocol's words. An error is a fault of
	// the scenario or ours, not of the server.
	Prepare(*Request) (Prepared, error)
	// Close ends idle connections.
	Close()
}

// An Aimer is a Prepared request that can be sent to another instance without
// being made again: what it carries does not depend on the instance.
type Aimer interface {
	// Aim gives the same request for e, or false if e is of another make.
	Aim(e Endpoint) (Prepared, bool)
}

// A Target is one instance of a service, with its protocol.
type Target struct {
	Name     string // the instance's name, kept in the Sample
	Endpoint Endpoint
}

// A Dialer makes the Endpoint for a base URL; each kind of endpoint builds one
// from its arguments. It opens no connection.
type Dialer interface {
	Dial(url string) (Endpoint, error)
}

// Arrivals say when sessions of an open loop are due.
type Arrivals interface {
	// Times gives the due times since the step's start, ascending, without
	// end, the same for the same seed.
	Times(seed uint64) iter.Seq[time.Duration]
	// Rate is the mean number of arrivals a second.
	Rate() float64
}

// A Workload makes sessions. It is safe for concurrent use.
type Workload interface {
	// Session makes the n-th session of a step whose seed is given, the same
	// for the same seed and n. A session is used by one goroutine at a time.
	Session(seed uint64, n int64) Session
}

// Nonced is a Workload with content that no server may have seen before, not
// even in an earlier run with the same seed.
type Nonced interface {
	// WithNonce gives the same workload with the nonce mixed into that content.
	// The same nonce gives the same bytes; another changes neither the classes
	// nor the lengths of texts.
	WithNonce(nonce string) Workload
}

// Classed is a Workload that tells how its sessions can begin.
type Classed interface {
	// Classes lists the classes of sessions' first requests.
	Classes() []string
}

// A Session is a chain of dependent requests; a Vision request is a session of
// one.
type Session interface {
	// Next gives the next request; prev is the answer to the one before, nil at
	// the first. False ends the session. A session that met a failed answer
	// ends.
	Next(prev *Answer) (*Request, bool)
}

// A Router picks the target of each request. It is built afresh for every step
// and load, so that no step inherits another's position; Drive calls it under a
// lock of its own.
type Router interface {
	// Pick gives the index of the target; outstanding holds what is in flight
	// at each. session tells requests of one session apart from others.
	Pick(session int64, outstanding []int64) int
}

// A Load is one service's part of a step.
type Load struct {
	Service string
	// Arrivals drives an open loop; nil means a closed loop of Users users.
	Arrivals Arrivals
	Users    int
	// Think is the mean think time of a closed loop's user between sessions;
	// ThinkExponential draws it from an exponential distribution instead of
	// taking it as it is.
	Think            time.Duration
	ThinkExponential bool
	// FailurePause is the least time that a user waits after a session that
	// failed; 0 means DefaultFailurePause. Without it a user without think time
	// would ask a server that refuses at once as fast as the client's processor
	// allows. It is part of the think time that Integrity tells.
	FailurePause time.Duration
	// Ramp bounds the time over which users without think time start; 0 means
	// DefaultRamp.
	Ramp time.Duration

	Workload Workload
	Router   Router
	Targets  []Target // at least one
	// MaxInFlight bounds the requests in flight of this service; 0 means no
	// bound in a closed loop and 4096 in an open one. An arrival without a
	// slot waits for one, until its Timeout from Due has passed: then it is
	// NotSent.
	MaxInFlight int
	// Timeout bounds one exchange, from Sent. It must be positive.
	Timeout time.Duration
}

// A Step is what Drive runs.
type Step struct {
	Plan  results.StepPlan
	Loads []Load // one for each of Plan.Levels, in that order
	Seed  uint64
	// Nonce is mixed into what must be unlike any other run's: unique texts and
	// images ([Nonced]). Arrivals, classes and lengths do not depend on it.
	Nonce string
	// Waiter paces open loops' arrivals and wakes closed loops' users; nil
	// means package time's.
	Waiter Waiter
}

// A Waiter waits for moments. The production one (package pace) holds them to
// microseconds; tests use package time. It is safe for concurrent use: each
// load of a step has a goroutine of its own that waits.
type Waiter interface {
	// Until returns at the moment, or sooner when ctx is done. It reports
	// whether the moment was reached.
	Until(ctx context.Context, origin results.Origin, at results.Offset) bool
}
