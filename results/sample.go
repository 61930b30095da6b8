package results

import (
	"fmt"
	"time"
)

// HeavySuffix ends the class of a sample whose request is the heavy variant of its class.
const HeavySuffix = "/heavy"

// A Sample is the record of one arrival, whatever became of it. Each arrival
// of a step gives exactly one Sample, and
//
//	Due ≤ Sent ≤ First ≤ Final ≤ Done
//
// holds among those that are not NoOffset. Due and Done are always set.
//
// A request that is asked again after a failure is an arrival and a Sample of
// its own for each attempt, with a Seq of its own, due when the pause before it
// is over. So the latency of an attempt is that of the attempt alone: what a
// caller waited for an answer in all is from the Due of Attempt 0 to the Done of
// the last, over the samples of one Session and Call.
type Sample struct {
	Service string // the service's name in the scenario
	Class   string // the request class (Vision: the model's class; Agent: the call's stage)
	Model   string // the model that was asked for
	// Endpoint is the name of the service instance that the router chose;
	// empty if none was chosen.
	Endpoint string
	Seq      int64 // the arrival's number within the service and step, from 0
	Session  int64 // the session's number within the service and step, from 0
	User     int64 // the closed loop's user, or -1 in an open loop
	Call     int   // the call's place within its session, from 0
	Last     bool  // whether the session ended with this sample
	Attempt  int   // 0 for the first try, 1 for the first retry

	Due Offset // open loop: from the schedule; closed loop: when the user was ready
	// Sent is when the request was handed to the endpoint, or NoOffset: just
	// before its first byte, and before the connection is made if there is none
	// to use.
	Sent  Offset
	First Offset // first byte of content (token or body), or NoOffset
	Final Offset // last chunk of content or of its end, First ≤ Final ≤ Done, or NoOffset
	Done  Offset // last byte, or when the fault was known
	// LongestGap is the longest time between two chunks of content; 0 with
	// fewer than two.
	LongestGap time.Duration
	// Lag is our own lateness: the part of Sent − Due (of what was waited, if it
	// was not sent) that was no wait for a slot.
	Lag time.Duration

	Outcome   Outcome
	Status    int   // HTTP status, 0 if none came
	BytesSent int64 // request body
	BytesRead int64 // response body
	Chunks    int64 // content chunks of a stream; 1 for a body; 0 if none

	// Tokens come from the server's usage; UnknownTokens if it told none.
	PromptTokens, OutputTokens, CachedTokens int64

	// ServerQueue is how long this very request waited in the server's queue, and
	// ServerWork how long the server computed it, by the server's own word and its
	// clock; Untold where it told none, which is never 0. Both are what was told:
	// whether they can be true is for who reads them.
	ServerQueue, ServerWork time.Duration
	// ServerRefused says that the server told of this request what is no time at
	// all, such as a negative one. Both are Untold then.
	ServerRefused bool
}

// UnknownTokens is a token count that the server did not tell.
const UnknownTokens int64 = -1

// Untold is a time that the server did not tell. No time that was told is below 0.
const Untold time.Duration = -1

// An Outcome says what became of an arrival. The zero value is no outcome and
// never stands in a Sample.
type Outcome uint8

// The outcomes. Their texts stand in run directories.
const (
	OK          Outcome = iota + 1
	HTTP4xx             // a 4xx other than 429
	HTTP5xx             // a 5xx other than a 503 that says queue full
	Shed                // 429, or a 503 whose body says queue full or admission
	Timeout             // the request's own time limit passed
	Connect             // no connection
	Reset               // the connection ended before the answer did
	Malformed           // the answer could not be read
	WrongAnswer         // readable, but not an answer to the question
	OOM                 // the server says that its device is out of memory
	Cancelled           // we ended it: the step was stopped
	NotSent             // due, but no slot was free in time
)

var outcomeNames = [...]string{
	OK: "ok", HTTP4xx: "http_4xx", HTTP5xx: "http_5xx", Shed: "shed", Timeout: "timeout",
	Connect: "connect", Reset: "reset", Malformed: "malformed", WrongAnswer: "wrong_answer",
	OOM: "oom", Cancelled: "cancelled", NotSent: "not_sent",
}

// Outcomes lists every outcome in its order of printing.
func Outcomes() []Outcome {
	all := make([]Outcome, 0, len(outcomeNames)-1)
	for o := OK; o <= NotSent; o++ {
		all = append(all, o)
	}
	return all
}

// String gives the outcome's name, as it stands in files.
func (o Outcome) String() string {
	if o < OK || o > NotSent {
		return fmt.Sprintf("outcome(%d)", uint8(o))
	}
	return outcomeNames[o]
}

// MarshalText writes the name; an outcome that is none is an error.
func (o Outcome) MarshalText() ([]byte, error) {
	if o < OK || o > NotSent {
		return nil, fmt.Errorf("no outcome has the number %d", uint8(o))
	}
	return []byte(outcomeNames[o]), nil
}

// UnmarshalText reads what MarshalText writes.
func (o *Outcome) UnmarshalText(text []byte) error {
	for i := OK; i <= NotSent; i++ {
		if outcomeNames[i] == string(text) {
			*o = i
			return nil
		}
	}
	return fmt.Errorf("%q is no outcome", text)
}
