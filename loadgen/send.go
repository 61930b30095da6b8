package loadgen

import (
	"context"

	"github.com/evabench/evabench/results"
)

// send sends one request and stamps it. Sent is taken just before the endpoint
// gets the request: a connection that must be opened first is part of it.
func (s *service) send(sample *results.Sample, p Prepared) Answer {
	ctx, cancel := context.WithTimeout(s.flight, s.load.Timeout)
	defer cancel()
	sample.Sent = s.origin.Now()
	answer := p.Do(ctx, func() {
		if sample.First == results.NoOffset {
			sample.First = s.origin.Now()
		}
	})
	sample.Done = s.origin.Now()
	if answer.Outcome == 0 {
		answer.Outcome, answer.Detail = results.Malformed, "the endpoint gave no outcome"
	}
	if answer.ClientFault && s.inWindow(sample.Due) {
		s.tally.clientFaults.Add(1)
	}
	sample.Outcome, sample.Status = answer.Outcome, answer.Status
	sample.BytesSent, sample.BytesRead, sample.Chunks = answer.BytesSent, answer.BytesRead, answer.Chunks
	sample.PromptTokens, sample.OutputTokens, sample.CachedTokens = answer.PromptTokens, answer.OutputTokens, answer.CachedTokens
	return answer
}

// drive runs the service until its last answer is in.
func (s *service) drive() {
	if s.load.Arrivals != nil {
		s.driveOpen()
	} else {
		s.driveClosed()
	}
}
