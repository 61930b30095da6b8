package scenarios

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// memory is an amount of a device's memory: bytes, or a share of the whole.
type memory struct {
	bytes uint64
	share float64
}

var memoryPattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?(GiB|MiB|%)$`)

const memoryHint = "write 3GiB, 900MiB, or a share of the device such as 90%"

// maxMemory is more than any device has, in bytes.
const maxMemory = 1 << 50

func (m *memory) decodeNode(d *decoder, n *node, where string) bool {
	if n.form != isScalar {
		return d.fault(n, fmt.Sprintf("%s is an amount of memory, not %v", where, n), memoryHint)
	}
	parts := memoryPattern.FindStringSubmatch(strings.TrimSpace(n.text))
	if parts == nil {
		return d.fault(n, fmt.Sprintf("%s is an amount of memory, not %v", where, n), memoryHint)
	}
	value, err := strconv.ParseFloat(parts[1], 64)
	if err != nil {
		return d.fault(n, fmt.Sprintf("%s is too large: %s", where, cut(n.text)), "")
	}
	factor := map[string]float64{"GiB": 1 << 30, "MiB": 1 << 20}[parts[2]]
	switch {
	case value == 0:
		return d.fault(n, where+" is above 0", "leave it out where it is not known")
	case parts[2] == "%" && value > 100:
		return d.fault(n, where+" is at most 100% of the device", "")
	case parts[2] == "%":
		m.share = value / 100
	case value*factor > maxMemory:
		return d.fault(n, fmt.Sprintf("%s is more than any device has: %s", where, cut(n.text)), "")
	default:
		m.bytes = uint64(value * factor)
	}
	return true
}

func (m *memory) schema() map[string]any {
	return map[string]any{"type": "string", "pattern": memoryPattern.String()}
}
