// Package results is the run directory: the facts of a run, how they are
// written while it goes on, and how they are read afterwards.
//
// It cuts the program in two. Before it nothing knows statistics; after it
// nothing knows GPUs, clocks or sockets. Everything here is a fact that was
// recorded; verdicts and derived series belong to package analysis.
package results
