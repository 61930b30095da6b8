package nvidia

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/evabench/evabench/internal/environ"
)

// TimeSlices reads and sets the compute policy's time slice of whole GPUs.
type TimeSlices interface {
	// TimeSlice tells a GPU's: default, short, medium or long; empty if nothing
	// tells.
	TimeSlice(ctx context.Context, gpu string) (string, error)
	// SetTimeSlice sets it.
	SetTimeSlice(ctx context.Context, gpu, slice string) error
}

// timeSlices are the words of layouts in the order of nvidia-smi's numbers.
var timeSlices = []string{"default", "short", "medium", "long"}

// SMI sets time slices by the program nvidia-smi, as NVML has no call for them. The
// zero value works, also where there is no such program: then slices are unknown, and
// setting one is refused.
type SMI struct {
	// Path is the program; empty means nvidia-smi of the PATH.
	Path string
}

// smiLimit bounds one run of nvidia-smi.
const smiLimit = time.Minute

var errNoSMI = errors.New("the program nvidia-smi was not found, and only it can set a time slice; install it with the driver, or leave the time slice out of the layout")

func (s SMI) run(ctx context.Context, args ...string) (string, error) {
	path := s.Path
	if path == "" {
		path = "nvidia-smi"
	}
	path, err := exec.LookPath(path)
	if err != nil {
		return "", errNoSMI
	}
	ctx, cancel := context.WithTimeout(ctx, smiLimit)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &out, environ.Own()
	cmd.WaitDelay = 10 * time.Second // what it said counts as unread if we stand still for that long after its end
	// An interrupt at the terminal is for us alone: we put back what is half changed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", path, strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// TimeSlice asks nvidia-smi compute-policy -l for one GPU. Without the program the
// answer is empty, which is unknown.
func (s SMI) TimeSlice(ctx context.Context, gpu string) (string, error) {
	out, err := s.run(ctx, "compute-policy", "-i", gpu, "-l")
	if errors.Is(err, errNoSMI) {
		return "", nil
	}
	if err != nil {
		// A driver before CUDA 11.1, or a card without the policy. One that a signal
		// ended has said nothing.
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
			return "", nil
		}
		return "", err
	}
	return parseTimeSlice(out), nil
}

// SetTimeSlice runs nvidia-smi compute-policy --set-timeslice.
func (s SMI) SetTimeSlice(ctx context.Context, gpu, slice string) error {
	n := slices.Index(timeSlices, slice)
	if n < 0 {
		return fmt.Errorf("time slice %q is none of %s", slice, strings.Join(timeSlices, ", "))
	}
	_, err := s.run(ctx, "compute-policy", "-i", gpu, fmt.Sprintf("--set-timeslice=%d", n))
	return err
}

var words = regexp.MustCompile(`[A-Za-z]+`)

// parseTimeSlice finds the one time slice that a listing for one GPU names; empty if
// it names none or several, or speaks of something else.
//
// Note: the form of the listing stands in no document of NVIDIA's and is for people, so
// that just the words count which its help names: Timeslice, and DEFAULT, SHORT,
// MEDIUM, LONG. A listing that we do not understand is unknown, never the default.
func parseTimeSlice(listing string) string {
	found, about := "", false
	for _, word := range words.FindAllString(listing, -1) {
		word = strings.ToLower(word)
		if word == "timeslice" || word == "timeslices" {
			about = true
		}
		if !slices.Contains(timeSlices, word) || word == found {
			continue
		}
		if found != "" {
			return ""
		}
		found = word
	}
	if !about {
		return ""
	}
	return found
}
