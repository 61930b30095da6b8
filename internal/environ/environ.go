// Package environ says which variables of our environment are given to programs
// that we start for ourselves: our own executable, and the driver's tools. Others
// stay with us, as any of them may hold a key.
package environ

import "os"

// names are where programs, libraries, the user's files and temporary ones are, the
// language and time zone, what Go's runtime listens to, and the mark by which
// supervised processes are found.
var names = []string{
	"PATH", "LD_LIBRARY_PATH", "HOME", "USER", "TMPDIR", "XDG_CACHE_HOME", "LANG", "LC_ALL", "TZ", "NO_COLOR",
	"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG", "GORACE", "GOTRACEBACK", "GOCOVERDIR",
	"EVABENCH_SUPERVISED",
}

// Own gives the environment of such a program, as "NAME=value"; never nil, which
// would mean all of ours. The caller owns it.
func Own() []string {
	env := make([]string, 0, len(names)+1)
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
