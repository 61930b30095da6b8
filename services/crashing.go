package services

// Crashing is a Launcher that tells, before anything is launched, in which ways
// its instances can be made to end ([Mortal]).
type Crashing interface {
	// Crashes lists the ways, CrashKill and CrashFault.
	Crashes() []string
}
