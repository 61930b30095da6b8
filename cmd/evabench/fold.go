package main

import (
	"strings"
	"unicode/utf8"
)

// lineWidth is how many columns a line for people has, where its words allow.
const lineWidth = 100

// fold breaks a line between words where it is too long. What goes on stands four
// columns further in than it began.
func fold(line string) string {
	return foldAt(line, line[:len(line)-len(strings.TrimLeft(line, " "))]+"    ")
}

// foldAt breaks a line as fold does. What goes on begins with next.
func foldAt(line, next string) string {
	words := strings.Fields(line)
	if utf8.RuneCountInString(line) <= lineWidth || len(words) == 0 {
		return line
	}
	lead := line[:len(line)-len(strings.TrimLeft(line, " "))]
	var b strings.Builder
	b.WriteString(lead + words[0])
	at := utf8.RuneCountInString(lead + words[0])
	for _, w := range words[1:] {
		n := utf8.RuneCountInString(w)
		if at+1+n > lineWidth {
			b.WriteString("\n" + next + w)
			at = utf8.RuneCountInString(next) + n
			continue
		}
		b.WriteString(" " + w)
		at += 1 + n
	}
	return b.String()
}
