// Package sim is a server with GPUs that does not exist: a process of its own
// that speaks the protocols of TorchServe and vLLM on loopback, whose answers
// come when package model says that they would.
//
// [Serve] is that process (`evabench sim SERVER`). [Host] starts it as a child
// and offers it as kinds like any other: a partition backend over the GPUs in
// the server's file, and a launcher. What was simulated says so: every answer
// has the header [Header], and versions end in "-simulated", or then say what is
// wrong on purpose ([Fault]).
package sim

// Header stands in every HTTP answer of a simulated server, with its name.
const Header = "X-Evabench-Simulated"

// ScaleHeader stands beside it: how many seconds of server time pass in one of
// the clock, as a decimal number. A client that measures durations by the clock
// multiplies them by it.
const ScaleHeader = "X-Evabench-Scale"
