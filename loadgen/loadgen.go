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
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/loadgen/pace"
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

// A Prepared request is in its protocol's words, ready to be sent through the
// Line of any Endpoint of the Dialer that made it, more than once, and is not
// changed. Only the endpoint knows what it is; as a fmt.Stringer it says in a few words
// what is sent.
type Prepared any

// Weighed is a Prepared that can hold much memory.
type Weighed interface {
	// Weight is how many bytes it holds beside the request that it was made of.
	Weight(of *Request) int64
}

// An Endpoint speaks one protocol to one service instance.
type Endpoint interface {
	// Prepare puts a request in the protocol's words. An error is a fault of
	// the scenario or ours, not of the server. It is safe for concurrent use.
	Prepare(*Request) (Prepared, error)
	// Open gives a way to the instance for the time of one step. It may look up
	// a name, but opens no connection. A server that is not there is no error.
	Open(loop pace.Loop) (Line, error)
	// Close ends what outlives steps.
	Close()
}

// Warned is an Endpoint with something to say that does not stop a run: of how its
// requests travel.
type Warned interface {
	// Warnings has a Code, a Text and a Count of 1 each.
	Warnings() []results.Warning
}

// Paged is an Endpoint whose protocol has a page that shows whether a server is there.
type Paged interface {
	// Page is its URL, for a person to get. The server does no work for it.
	Page() string
}

// Listing is an Endpoint whose protocol lists the models that a server serves.
type Listing interface {
	// Models gets the list, and gives its URL also where the server does not answer.
	Models(ctx context.Context) (page string, names []string, err error)
}

// A Line is one step's connections to an instance. It is used on its loop.
type Line interface {
	// Send sends the request at once, over a connection that is idle or new, and
	// calls x.Done once, on the loop, when x.Answer is complete; never from
	// within Send. It retries nothing. What the answer is does not depend on how
	// fast the loop gets to read it.
	Send(p Prepared, x *Exchange)
	// Abort ends an exchange that is on its way: its connection is closed and
	// x.Done is called before Abort returns, with the outcome (Timeout or
	// Cancelled) and what had come in by then.
	Abort(x *Exchange, outcome results.Outcome)
	// Close ends all connections. There is no exchange on its way any more.
	Close()
}

// A Target is one instance of a service, with its protocol.
type Target struct {
	Name     string // the instance's name, kept in the Sample
	Endpoint Endpoint
	// Out takes the instance out of the balancing while it is true, from the next
	// request on; what is in flight stays there. Any goroutine may change it. nil
	// is always in.
	Out *atomic.Bool
}

// A Dialer makes the Endpoint for a base URL; each kind of endpoint builds one
// from its arguments. It opens no connection.
type Dialer interface {
	Dial(url string) (Endpoint, error)
}

// Telling is a Dialer whose endpoints tell more of an answer than that it is complete.
type Telling interface {
	// Tells reports whether they tell when the first token came, and how many tokens
	// an answer has.
	Tells() (first, tokens bool)
}

// Arrivals say when sessions of an open loop are due.
type Arrivals interface {
	// Times gives a function that gives the next due time since the step's
	// start, ascending, the same for the same seed, and false when there is none
	// any more. The function is used by one goroutine at a time.
	Times(seed uint64) func() (time.Duration, bool)
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

// Asking is a Workload that tells what all its requests ask.
type Asking interface {
	// Asks lists the classes of all requests that sessions can have, those of heavy
	// variants too, and the models that they name.
	Asks() (classes, models []string)
}

// Weighted is a Workload of which some classes have a heavy variant.
type Weighted interface {
	// Heavy gives the same workload with every request of such a class as that
	// variant, and reports false if there is no such class.
	Heavy() (Workload, bool)
}

// Quick is a Workload whose Session and whose sessions' Next take well under a
// microsecond and give the same requests again and again. Such sessions are made
// where they are sent; each request is prepared once, before the step begins.
type Quick interface {
	// Requests lists the requests that sessions give: the same pointers.
	Requests() []*Request
}

// A Session is a tree of dependent requests; a Vision request is a session of
// one, an Agent's a chain, or a chain with calls side by side.
type Session interface {
	// Next gives the requests that can be sent now that the call-th (in the order
	// in which Next gave them, from 0) was answered. The first call is Next(-1,
	// nil). It may give none while others are on their way; when none is, and it
	// gives none, the session is over. A session that met a failed answer ends.
	// The slice is valid until the next call of Next.
	Next(call int, answer *Answer) []*Request
}

// A Router picks the target of each request. It is built afresh for every step
// and load, so that no step inherits another's position; one goroutine uses it.
type Router interface {
	// Pick gives the index of the target; outstanding holds what is in flight
	// at each, or [Out] for one that is not to be picked: it is spread over the
	// others as if there were only these. One is always in. session tells requests
	// of one session apart from others.
	Pick(session int64, r *Request, outstanding []int64) int
}

// Out stands in the place of what is in flight at an instance that is out of
// the balancing.
const Out = -1

// Sized is a Router that does not fit any number of instances.
type Sized interface {
	// Fits says why the router does not fit so many instances.
	Fits(instances int) error
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
	// Retry lets the client ask again; the zero value never does.
	Retry Retry
	// Cooldown is for how long after the window, at most, the step's load goes on for the sake
	// of this service's answers; 0 means the plan's Cooldown.
	Cooldown time.Duration
}

// Retry says when a client asks again after a failure. Each attempt is an
// arrival of its own, with its own Sample: due when the pause is over.
type Retry struct {
	Attempts int               // asked again at most so often; 0: never
	On       []results.Outcome // after these
	Pause    time.Duration     // before each
}

// A Shard is one of several load generators that make up a whole together. Of an
// open loop it takes the sessions n with n mod Of = Index, of a closed one the
// users; of the limit in flight its part. The zero value is the whole.
type Shard struct{ Index, Of int }

// A Step is what Drive runs.
type Step struct {
	Plan  results.StepPlan
	Loads []Load // one for each of Plan.Levels, in that order
	Seed  uint64
	// Nonce is mixed into what must be unlike any other run's: unique texts and
	// images ([Nonced]). Arrivals, classes and lengths do not depend on it.
	Nonce string
	Shard Shard
	// NewLoop makes the loop that everything runs on; nil means pace.New, tests
	// in virtual time give pace.NewTimed.
	NewLoop func(results.Origin) (pace.Loop, error)
	// Begun is called once with the step's start, when load begins, on the loop,
	// which waits for it; nil tells nobody.
	Begun func(start results.Offset)
	// Driven lets others look at the step and end it early; nil lets nobody.
	Driven *Driven
}
