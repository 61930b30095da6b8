package spawn

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxCPU is the highest number of a processor that a CPU set can hold.
const maxCPU = 1023

// ParseCPUs reads a list of processors as cpuset(7) writes it: "0-3,8". Nothing
// gives none.
func ParseCPUs(text string) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	var all []int
	for item := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(item), "-")
		if !isRange {
			to = from
		}
		first, err := strconv.ParseUint(from, 10, 16)
		last, err2 := strconv.ParseUint(to, 10, 16)
		if err != nil || err2 != nil || first > last || last > maxCPU {
			return nil, fmt.Errorf("%q is no list of processors such as 0-3,8 (0 to %d)", text, maxCPU)
		}
		for n := first; n <= last; n++ {
			all = append(all, int(n))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// CheckCPUs asks that we may use every processor of the configuration.
func (s *Server) CheckCPUs() error {
	if len(s.CPUs) == 0 {
		return nil
	}
	var ours unix.CPUSet
	if err := unix.SchedGetaffinity(0, &ours); err != nil {
		return fmt.Errorf("cpus: read our processors: %w", err)
	}
	var missing, have []string
	for _, n := range s.CPUs {
		if !ours.IsSet(n) {
			missing = append(missing, strconv.Itoa(n))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	for n := range maxCPU + 1 {
		if ours.IsSet(n) {
			have = append(have, strconv.Itoa(n))
		}
	}
	return fmt.Errorf("cpus: %s: processor %s is not there or not for us; we may use %s",
		s.Config.CPUs, strings.Join(missing, ","), strings.Join(have, ","))
}
