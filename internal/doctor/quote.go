package doctor

import "strings"

// plain is what needs no quotes in a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=+@%"

// quoted writes one argument of a remedy as a shell reads it: it is there to be
// pasted, and what it names may be a stranger's.
func quoted(arg string) string {
	if arg != "" && strings.Trim(arg, plain) == "" {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
