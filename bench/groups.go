package main

import (
	"time"

	"github.com/evabench/evabench/loadgen/stub"
)

// A group is one thing to be done by every client that can.
type group struct {
	name, title string
	image       bool // POST of 100 KB, else GET
	connections int  // of a closed loop
	rate        int  // of an open loop; 0: closed
	length      time.Duration
	server      stub.Options
	// together lets the clients run side by side, each with a server of its own:
	// where they mostly wait.
	together bool
	streams  int // of evabench selftest

	readings map[string][]reading // by client
}

// The names of the groups.
const (
	closedImages = "post"
	closedSmall  = "get"
	openSmall    = "rate"
	openImages   = "rate-images"
	manyStreams  = "streams"
	stalls       = "stall"
)

func groupNames() []string {
	return []string{closedImages, closedSmall, openSmall, openImages, manyStreams, stalls}
}

// serviceTime is how long the server of the stalls takes for an answer.
const serviceTime = 20 * time.Millisecond

// groups gives what is measured. The 10,000 a second are held for 30 s.
func groups(quick bool) []group {
	length := func(full, short time.Duration) time.Duration {
		if quick {
			return short
		}
		return full
	}
	return []group{
		{name: closedImages, title: "POST of 100 KB, 64 connections, closed loop", image: true, connections: 64,
			length: length(5*time.Second, 2*time.Second)},
		{name: closedSmall, title: "GET, 64 connections, closed loop", connections: 64,
			length: length(4*time.Second, 2*time.Second)},
		{name: openSmall, title: "10,000 small requests a second, open loop", rate: 10_000,
			length: length(30*time.Second, 3*time.Second), server: stub.Options{Log: true}},
		{name: openImages, title: "2,000 images of 100 KB a second, open loop", image: true, rate: 2_000,
			length: length(8*time.Second, 3*time.Second), server: stub.Options{Log: true}},
		{name: manyStreams, title: "5,000 streams of 20 tokens a second", streams: 5_000,
			length: length(10*time.Second, 3*time.Second)},
		{name: stalls, title: "200 a second while the server stops for 2 s every 10 s", rate: 200, together: true,
			length: length(30*time.Second, 10*time.Second),
			server: stub.Options{Log: true, Delay: serviceTime, Stall: stub.Stall{Every: 10 * time.Second, For: 2 * time.Second}}},
	}
}
