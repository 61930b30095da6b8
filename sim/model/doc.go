// Package model says, in virtual time, what becomes of work that processes
// give to a GPU together.
//
// A [Device] has SMs and shares them out: the processes of one context run at
// the same time and divide the SMs among them; contexts take turns, and a turn
// that goes to another context costs time. A process of its own is a context;
// all clients of one MPS server are one context. Nothing else distinguishes
// time-slicing, MPS and MIG: a MIG instance is a Device with fewer SMs.
//
// On devices stand a [Detector], workers behind a bounded queue, and an
// [Engine], continuous batching of token sequences. A [World] holds them all
// and moves time. Everything is deterministic: when and how often a World is
// advanced changes no result.
//
// Nothing here is safe for concurrent use; one goroutine owns a World.
package model
