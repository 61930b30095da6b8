package mps

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/device"
)

// Warnings gives what is not certain of our daemon of a device since the last Start,
// in words: limits that it took, but whose answer is not understood. Nil is nothing.
// The daemons of an earlier life of this program have none.
func (d *Daemons) Warnings(uuid string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.warn[uuid])
}

func (d *Daemons) setWarnings(uuid string, words []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.warn[uuid] = words
}

// limit sets the limits of clients and reads them back; only another value than
// what was set is an error. They reach servers to come, so there must be none yet.
func (d *Daemons) limit(ctx context.Context, dev device.Device) (warnings []string, err error) {
	pipe := d.pipe(dev.UUID)
	if servers, err := d.pids(ctx, pipe, "get_server_list"); err != nil {
		return nil, err
	} else if len(servers) > 0 {
		return nil, fmt.Errorf("somebody was faster: it has servers %v already, which limits no longer reach", servers)
	}
	want := float64(100)
	if dev.Sharing.ThreadPercent > 0 {
		want = float64(dev.Sharing.ThreadPercent)
		if _, err := d.ask(ctx, pipe, "set_default_active_thread_percentage "+strconv.Itoa(dev.Sharing.ThreadPercent)); err != nil {
			return nil, err
		}
	}
	said, err := d.ask(ctx, pipe, "get_default_active_thread_percentage")
	if err != nil {
		return nil, err
	}
	if got, err := parsePercent(said); err != nil {
		return nil, fmt.Errorf("read the thread percentage back: %w", err)
	} else if got != want {
		return nil, fmt.Errorf("the thread percentage reads back as %g, not %g", got, want)
	}
	if dev.Sharing.MemoryLimitBytes == 0 {
		return nil, nil
	}
	return d.limitMemory(ctx, pipe, dev.Sharing.MemoryLimitBytes)
}

// limitMemory names the device by 0: the daemon sees one, and the answer is for the
// name that was given, whatever the device. (NVIDIA, Legacy MPS v2 interface.)
func (d *Daemons) limitMemory(ctx context.Context, pipe string, bytes uint64) (warnings []string, err error) {
	if _, err := d.ask(ctx, pipe, "set_default_device_pinned_mem_limit 0 "+memoryText(bytes)); err != nil {
		return nil, err
	}
	said, err := d.ask(ctx, pipe, "get_default_device_pinned_mem_limit 0")
	if err != nil {
		return nil, err
	}
	got, step, understood := parseMemory(said)
	switch apart := math.Abs(got - float64(bytes)); {
	case understood && apart == 0:
		return nil, nil
	case understood && apart >= step:
		return nil, fmt.Errorf("the memory limit reads back as %q, not %s", said, memoryText(bytes))
	}
	return []string{fmt.Sprintf("memory limit %s was set and is not verified: it reads back as %q", memoryText(bytes), said)}, nil
}

// memoryAnswer is a number with its unit, perhaps after the device's name. The
// manual gives no form; "3G" and "Device 0 …: 8 GiB" were seen.
var memoryAnswer = regexp.MustCompile(`(?i)^(?:[^:=\n]*[:=]\s*)?(\d+)(\.\d+)?\s*(?:([kmg])(?:i?b)?|b|bytes)?$`)

// parseMemory reads a memory limit, such as "20G", "900MB", "0: 20G" or one in
// bytes. Step is what its last digit counts, in bytes: a value that is less than
// that apart may be the same, rounded. A bare number below a MiB is not understood:
// its unit cannot be told.
func parseMemory(said string) (bytes, step float64, understood bool) {
	parts := memoryAnswer.FindStringSubmatch(strings.TrimSpace(said))
	if parts == nil {
		return 0, 0, false
	}
	number, err := strconv.ParseFloat(parts[1]+parts[2], 64)
	if err != nil {
		return 0, 0, false
	}
	unit := map[string]float64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[strings.ToUpper(parts[3])]
	if unit == 1 && number > 0 && number < 1<<20 {
		return 0, 0, false
	}
	decimals := max(len(parts[2])-1, 0)
	return number * unit, unit / math.Pow10(decimals), true
}

// MemoryLimit reads what a daemon answers for a memory limit, in bytes, as in
// [Found.Settings]; not ok if that is not understood or no limit.
func MemoryLimit(said string) (bytes uint64, ok bool) {
	number, _, understood := parseMemory(said)
	if !understood || number < 1 || number >= 1<<62 {
		return 0, false
	}
	return uint64(number), true
}

// memoryText writes a limit as the commands want it: whole G where it is, else M.
func memoryText(bytes uint64) string {
	if bytes%(1<<30) == 0 {
		return strconv.FormatUint(bytes>>30, 10) + "G"
	}
	return strconv.FormatUint(bytes>>20, 10) + "M"
}
