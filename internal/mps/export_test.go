package mps

// For tests of decisions about facts that a test machine may not have.
var (
	Elsewhere  = elsewhere
	UnitOf     = unitOf
	Credential = credential
)

// Besides gives what a process of a unit is told to belong to, and what would end it,
// by a process of the unit own.
func Besides(own, unit string) (theirs, ours string) { return origin{unit: own}.besides(unit) }
