package results

import "iter"

// A StepResult is a step that was run, with what was recorded while it ran: all
// that a decision on what to run next may rest on.
type StepResult struct {
	Step Step
	// Samples gives the step's samples, of its warm-up too, service by service in
	// the order of Seq or as they were done; never nil. It can be ranged over again
	// until the next step is asked for, and not after.
	Samples iter.Seq[Sample]
	// Observations are the cell's, from the readings before the step's first
	// request on. The slice is not changed by who gets it.
	Observations []Observation
	// Instances are the cell's, some of which the Observations are of; not changed
	// either.
	Instances []Instance
}

// A Progress tells of a stretch of a step that still runs: From ≤ moments < To.
type Progress struct {
	From, To Offset
	// Samples are those done within, in no order; the Done of an answer whose end
	// was learned of late may be a little before From. They are not changed.
	Samples []Sample
	// Unfinished counts by service, at To, the arrivals that fell due and are not
	// done: waiting for a slot or at the server.
	Unfinished map[string]int64
}
