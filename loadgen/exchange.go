package loadgen

import (
	"time"

	"github.com/evabench/evabench/results"
)

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
	// ServerQueue is how long the request waited in the server's queue, ServerWork how
	// long the server computed it, both as the server tells them of this very request
	// and by its clock; results.Untold if it tells none. ServerRefused says that it told
	// what is no time, and both are untold. ToldQueue and ToldWork set them.
	ServerQueue, ServerWork time.Duration
	ServerRefused           bool

	// First and Final are when the first and the last chunk of content came in (the end
	// token's, which has none, is one too), Done when the answer was complete or its fault known: as the kernel tells it,
	// so that a busy client does not age them. First and Final may be NoOffset; they
	// are where no byte would pass for a first token, as in a chat answered as a
	// whole.
	//
	// A stamp belongs to what one read took from the connection, and is that of its
	// last byte. Chunks that one read brings have one stamp: the first of them seems
	// to come as late as the last, and the gaps between them are 0. Of a compressed
	// answer First is when its first compressed byte came in.
	First, Final, Done results.Offset
	// LongestGap is the longest time between two chunks of content, 0 with fewer
	// than two or where one read brought them all.
	LongestGap time.Duration

	// ClientFault is whether the exchange failed for want of this machine's own
	// descriptors, ports or memory. Outcome is Connect then.
	ClientFault bool
	// Detail is the beginning of the server's words, or the fault's, when
	// Outcome is not OK.
	Detail string
}

// An Exchange is one request on its way, on the step's loop. Who sends it makes
// it and may use it again once Done was called; meanwhile Answer is the Line's.
type Exchange struct {
	Answer Answer
	// Done is called once, by the Line, when Answer is complete.
	Done func(*Exchange)
	// Gap, if not nil, is called with each gap between two chunks of content; it is
	// 0 between chunks of one read.
	Gap func(time.Duration)
	// State is the Line's own.
	State any
}

// Begin empties the Answer. A Line calls it when it is given the exchange.
func (x *Exchange) Begin() {
	x.Answer = Answer{
		PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
		ServerQueue: results.Untold, ServerWork: results.Untold,
		First: results.NoOffset, Final: results.NoOffset, Done: results.NoOffset,
	}
}

// Content takes note of one chunk of content that came in at the moment, which
// is not before that of the chunk before.
func (x *Exchange) Content(at results.Offset) {
	a := &x.Answer
	a.Chunks++
	if a.First == results.NoOffset {
		a.First, a.Final = at, at
		return
	}
	gap := at.Sub(a.Final)
	a.Final = at
	a.LongestGap = max(a.LongestGap, gap)
	if x.Gap != nil {
		x.Gap(gap)
	}
}
