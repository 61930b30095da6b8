package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// A folded line has the same words, and none of its lines is too long unless it is a
// word that is; what fits is left as it is.
func TestFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-zé,:.]{1,120}|[a-z]{1,9}`), 1, 40).Draw(t, "words")
		line := strings.Repeat(" ", rapid.IntRange(0, 6).Draw(t, "lead")) + strings.Join(words, " ")
		got := fold(line)
		if strings.Join(strings.Fields(got), " ") != strings.TrimLeft(line, " ") {
			t.Fatalf("fold(%q) = %q has other words", line, got)
		}
		if utf8.RuneCountInString(line) <= lineWidth && got != line {
			t.Fatalf("fold(%q) = %q, though it fits", line, got)
		}
		for one := range strings.SplitSeq(got, "\n") {
			if utf8.RuneCountInString(one) > lineWidth && strings.Contains(strings.TrimLeft(one, " "), " ") {
				t.Fatalf("fold(%q) has the line %q", line, one)
			}
		}
	})
}
