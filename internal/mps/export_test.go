package mps

// For tests of decisions about facts that a test machine may not have.
var (
	Elsewhere  = elsewhere
	UnitOf     = unitOf
	EndsIn     = endsWith
	Credential = credential
)
