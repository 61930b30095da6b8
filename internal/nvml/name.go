package nvml

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

// profileAttributes are what the number of a GPU instance profile in nvml.h says of
// it: NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1 is 1g with one media extension.
// Ids are something else, and differ between GPUs.
func profileAttributes(enum int) []string {
	switch enum {
	case 7, 8: // 1_SLICE_REV1, 2_SLICE_REV1
		return []string{"me"}
	case 10, 11, 12, 17: // 1_, 2_, 4_, 3_SLICE_GFX
		return []string{"gfx"}
	case 13, 14: // 1_, 2_SLICE_NO_ME
		return []string{"-me"}
	case 15, 16: // 1_, 2_SLICE_ALL_ME
		return []string{"me.all"}
	}
	return nil // 1_SLICE_REV2, with double memory, has another size in its name
}

// plainName is the form of a profile's name.
var plainName = regexp.MustCompile(`^[0-9]+g\.[0-9]+gb([+-][a-z.]+)*$`)

// profileName gives the name that the driver told, or makes one as NVIDIA names
// profiles: compute slices, then the memory as its part of the card, upwards to
// eighths, of the card's size in whole GiB, rounded; then the attributes. So
// 16.00 GiB of an H200 are an eighth of 141, 1g.18gb.
//
//	N = round( ceil(8 m/M)/8 · ceil(M/GiB) )     m: the profile's bytes, M: the card's
//
// (NVIDIA/go-nvlib pkg/nvlib/device/mig_profile.go.)
func profileName(told string, computeSlices int, memoryBytes, cardBytes uint64, attributes []string) string {
	if told = strings.TrimPrefix(told, "MIG "); plainName.MatchString(told) {
		return told
	}
	eighths := math.Ceil(8 * float64(memoryBytes) / float64(max(cardBytes, 1)))
	size := math.Round(eighths / 8 * math.Ceil(float64(cardBytes)/(1<<30)))
	name := fmt.Sprintf("%dg.%.0fgb", computeSlices, size)
	for _, a := range attributes {
		if !strings.HasPrefix(a, "-") {
			name += "+"
		}
		name += a
	}
	return name
}

// disjoint counts the places that can be taken at the same time, which are in
// order of start.
func disjoint(places []Placement) int {
	n, end := 0, 0
	for _, at := range places {
		if at.Start >= end {
			n, end = n+1, at.Start+at.Size
		}
	}
	return n
}
