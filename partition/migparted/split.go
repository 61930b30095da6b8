package migparted

import (
	"slices"

	"github.com/evabench/evabench/partition"
)

// packed puts compute instances of the given slices, largest first, into as few
// GPU instances of a profile as the first that has room for each makes.
func packed(profile string, room int, cuts []int) []partition.Term {
	var splits [][]int
	for _, cut := range cuts {
		k := slices.IndexFunc(splits, func(s []int) bool { return ordered(append(slices.Clone(s), cut), room) != nil })
		if k < 0 {
			splits = append(splits, nil)
			k = len(splits) - 1
		}
		splits[k] = ordered(append(splits[k], cut), room)
	}
	var terms []partition.Term
	for _, s := range splits {
		if n := len(terms); n > 0 && slices.Equal(terms[n-1].Split, s) {
			terms[n-1].Count++
			continue
		}
		terms = append(terms, partition.Term{Profile: profile, Count: 1, Split: s})
	}
	return terms
}

// ordered finds places for compute instances in a GPU instance with room
// compute slices and gives them in the order of their places; nil if there are
// none. One slice stands anywhere, two at even places, three and four at 0 and
// 4, and more at 0. (NVIDIA MIG User Guide, compute instances.)
func ordered(cuts []int, room int) []int {
	cuts = slices.Clone(cuts)
	slices.SortFunc(cuts, func(a, b int) int { return b - a })
	at := make([]int, room) // the cut that begins at a place
	if !placed(cuts, make([]bool, room), at) {
		return nil
	}
	return slices.DeleteFunc(at, func(cut int) bool { return cut == 0 })
}

func placed(cuts []int, taken []bool, at []int) bool {
	if len(cuts) == 0 {
		return true
	}
	cut, step := cuts[0], 1
	switch {
	case cut > 4:
		step = len(taken)
	case cut > 2:
		step = 4
	case cut == 2:
		step = 2
	}
	for start := 0; start+cut <= len(taken); start += step {
		if slices.Contains(taken[start:start+cut], true) {
			continue
		}
		fill(taken[start:start+cut], true)
		at[start] = cut
		if placed(cuts[1:], taken, at) {
			return true
		}
		fill(taken[start:start+cut], false)
		at[start] = 0
	}
	return false
}

func fill(list []bool, v bool) {
	for i := range list {
		list[i] = v
	}
}
