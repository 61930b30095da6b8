// Package model says, in virtual time, what becomes of work that processes
// give to a GPU together.
//
// A [Device] has SMs and memory bandwidth. The processes of one context run at
// the same time and share both; contexts take turns, and a turn that goes to
// another context costs time. A process of its own is a context; all clients of
// one MPS server are one context. Nothing else distinguishes time-slicing, MPS
// and MIG: a MIG instance is a Device with fewer SMs and less bandwidth.
//
// On devices stand a [Detector], workers behind a bounded queue, and an
// [Engine], continuous batching of token sequences; what they do outside the
// GPU is work for the cores of a [Host]. A [World] holds them all and moves
// time. Everything is deterministic: when and how often a World is advanced
// changes no result.
//
// Each formula stands with its type, with its source and what of it is a
// simplification. Left out altogether: caches of the GPU, clocks and power,
// transfers between host and GPU, and what an engine does ahead of a step
// (asynchronous scheduling) or guesses (speculative decoding).
//
// Nothing here is safe for concurrent use; one goroutine owns a World.
package model
