// Package search chooses the loads at which a cell is measured, so that its capacity comes
// out of it: the largest load at which every clause of every service's SLO is met.
//
// A [Capacity] needs no more of the steps than [analysis.Step] tells, and comes to the
// same when [Complete] is given them again. It goes through these stages:
//
//   - The climb doubles the load until a step clearly misses the SLO and halves the
//     bracket until it is narrow. Steps that are hopeless are ended early ([Capacity.Watch])
//     and are bounds only.
//   - Probes, longer and at loads spread about the boundary, count what share of requests
//     is over each clause's limit; package boundary draws a line through those shares,
//     whose crossing of what is allowed is the estimate, with an interval. There are
//     enough once it is as narrow as was asked for, or the load time has run out.
//   - Where there are no shares between none and far too many, there is a cliff, and the
//     bracket is halved instead; where a clause allows nothing at all, too.
//   - Confirmations drive the interval's lower end for a long time, in which every
//     clause's percentile can be known, a lower load after one that missed. The first that
//     meets everything is the load that is signed; what they counted goes into the estimate.
//     There is none where no window that may be had tells every clause.
//
// Not every server has a capacity that can be stated: a search also ends because the SLO
// is never or always met, met above a load that misses it, or kept by a server that
// changed meanwhile, and says so, with what it knows. A [Climb] is the ladder by which
// capacity is measured by hand, and [Levels] is a fixed list.
//
// Loads lie on a ray: the load of one service with the others held, or one factor of all.
// Users and cameras are whole.
package search
