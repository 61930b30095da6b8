package spawn

import (
	"maps"
	"slices"
	"strings"
)

// plain is what needs no quotes in a shell, templates among it.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=+@%{}"

// Quote writes one argument as a shell reads it.
func Quote(arg string) string {
	if arg != "" && strings.Trim(arg, plain) == "" {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// Show is a command as a person would type it, for those who have to agree to it:
// its folder, the variables that the scenario sets and those of ours that it is
// passed, by name, and its arguments. Templates stand as they are.
func (c Config) Show(folder string, argv []string) string {
	var words []string
	if folder != "" {
		words = append(words, "cd", Quote(folder), "&&")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		words = append(words, name+"="+Quote(c.Env[name]))
	}
	for _, name := range c.PassEnv {
		words = append(words, name+`="$`+name+`"`)
	}
	for _, arg := range argv {
		words = append(words, Quote(arg))
	}
	return strings.Join(words, " ")
}
