// Package queues holds plain queue systems whose capacity is known, for trying
// searches, tests and intervals on: in virtual time, the same for the same seed,
// and some ten million requests a second of a processor.
//
// A system is a server (workers with one line or a line each, batches, a stage in
// front of them, and what goes wrong with servers) and the load that is put on it.
// A Target runs steps on it and tells of them what the runner tells of a step on a
// real server, so that what chooses steps cannot know the difference. What the
// systems sustain was computed from some hundred million requests each; the table
// and how it was made stand in truths.go.
package queues
