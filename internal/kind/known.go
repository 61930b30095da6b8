package kind

import "strings"

// Known is the hint for a name that nobody knows: which was probably meant, and which
// are known.
func Known(name string, names []string) string {
	if len(names) == 0 {
		return "known: none"
	}
	hint := "known: " + strings.Join(names, ", ")
	if n := nearest(name, names); n != "" {
		hint = "did you mean " + n + "? " + hint
	}
	return hint
}

// nearest gives the known name that was probably meant, or "".
func nearest(name string, known []string) string {
	best, least := "", 2+len(name)/3
	for _, k := range known {
		if d := distance(strings.ToLower(name), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is Levenshtein's, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
