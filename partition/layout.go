package partition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/device"
)

// A Layout says how GPUs are shared out: the MIG instances of every named GPU,
// or MIG off, and how the processes of each device share it. It is a value:
// copies are independent as long as nobody changes the slices within. The zero
// value says nothing of any GPU; its text is empty.
//
// The text of a layout, as scenarios and tables have it:
//
//	off                          MIG off, the whole GPU
//	off(mps)                     the same, shared through MPS
//	4x1g.24gb                    four instances of a profile
//	all-1g.24gb                  as many of a profile as the GPU holds
//	2g.48gb(mps:50)+2x1g.24gb    several profiles, each with its sharing
//	2g.48gb(mps:50:20G)          MPS with half the SMs and 20 GiB for each client
//	off(ts:long)                 time-slicing with the compute policy's long slice
//	2g.10gb/2x1c                 an instance cut into two compute instances
//	3g.20gb/2c,1c(mps)           unequal ones; the sharing is each one's own
//	gpu0: 4x1g.24gb; gpu1: off   GPUs by index; without it, every named GPU
type Layout struct {
	// GPUs holds one entry for every named GPU alike, or entries with indices
	// in ascending order.
	GPUs []GPULayout
}

// A GPULayout is the part of a layout that concerns one GPU, or every one.
type GPULayout struct {
	Index int // AllGPUs, or the GPU's index
	Terms []Term
}

// AllGPUs is the index of a [GPULayout] that concerns every named GPU.
const AllGPUs = -1

// A Term is some equal devices of one GPU.
type Term struct {
	// Profile is the profile of instances, such as "1g.24gb+me"; empty means
	// MIG off, and then the term is the GPU's only one.
	Profile string
	// Count is the number of instances, 1 to MaxCount; AsMany means as many
	// as the GPU holds, and then the term is the GPU's only one.
	Count int
	// Split is the compute slices of the compute instances that each instance
	// is cut into, in order of their places; nil means one that takes all. They
	// may leave slices unused.
	Split []int
	// Sharing is zero where the text gives none.
	Sharing device.Sharing
}

// AsMany is the count of a term that fills the GPU.
const AsMany = 0

// MaxCount is the largest count of a term, beyond what any card holds.
const MaxCount = 99

// String writes the layout in its canonical form, which [ParseLayout] reads
// back to an equal layout.
func (l Layout) String() string {
	var parts []string
	for _, g := range l.GPUs {
		text := joinTerms(g.Terms)
		if g.Index != AllGPUs {
			text = fmt.Sprintf("gpu%d: %s", g.Index, text)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func joinTerms(terms []Term) string {
	var texts []string
	for _, t := range terms {
		texts = append(texts, t.String())
	}
	return strings.Join(texts, "+")
}

// String writes the term as layouts do.
func (t Term) String() string {
	var text string
	switch {
	case t.Profile == "":
		text = "off"
	case t.Count == AsMany:
		text = "all-" + t.Profile
	case t.Count == 1:
		text = t.Profile
	default:
		text = fmt.Sprintf("%dx%s", t.Count, t.Profile)
	}
	text += splitText(t.whole())
	if t.Sharing != (device.Sharing{}) {
		text += "(" + t.Sharing.String() + ")"
	}
	return text
}

// whole gives the term's split; nil also for one compute instance that takes all
// slices, which the profile's name tells.
func (t Term) whole() []int {
	if len(t.Split) == 1 && t.Split[0] == slicesOf(t.Profile) {
		return nil
	}
	return t.Split
}

// slicesOf is the number of compute slices that a profile's name tells: 2 of
// "2g.10gb"; 0 if it tells none.
func slicesOf(profile string) int {
	digits, _, _ := strings.Cut(profile, "g.")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// splitText writes a split as layouts do, "/2c,2x1c"; nil is empty.
func splitText(split []int) string {
	var parts []string
	for i := 0; i < len(split); {
		n := 1
		for i+n < len(split) && split[i+n] == split[i] {
			n++
		}
		part := fmt.Sprintf("%dc", split[i])
		if n > 1 {
			part = fmt.Sprintf("%dx%dc", n, split[i])
		}
		parts = append(parts, part)
		i += n
	}
	if parts == nil {
		return ""
	}
	return "/" + strings.Join(parts, ",")
}

// WithSharing gives the layout with s wherever the text gives no sharing.
func (l Layout) WithSharing(s device.Sharing) Layout {
	var out Layout
	for _, g := range l.GPUs {
		terms := slices.Clone(g.Terms)
		for i := range terms {
			if terms[i].Sharing == (device.Sharing{}) {
				terms[i].Sharing = s
			}
		}
		out.GPUs = append(out.GPUs, GPULayout{Index: g.Index, Terms: mergeTerms(terms)})
	}
	return out
}

// MarshalText writes the canonical form.
func (l Layout) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText writes; empty text is the zero layout.
func (l *Layout) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*l = Layout{}
		return nil
	}
	parsed, err := ParseLayout(string(text))
	if err != nil {
		return err
	}
	*l = parsed
	return nil
}

// mergeTerms joins neighbours that differ in nothing but their count, unless
// that would pass MaxCount. A split that takes all in one becomes none.
func mergeTerms(terms []Term) []Term {
	var out []Term
	for _, t := range terms {
		t.Split = t.whole()
		if n := len(out); n > 0 && t.Count != AsMany && out[n-1].Profile == t.Profile && slices.Equal(out[n-1].Split, t.Split) &&
			out[n-1].Sharing == t.Sharing && out[n-1].Count+t.Count <= MaxCount {
			out[n-1].Count += t.Count
			continue
		}
		out = append(out, t)
	}
	return out
}
