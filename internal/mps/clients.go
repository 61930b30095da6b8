package mps

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Clients lists the pids of the clients of our daemon of a device, sorted: those
// that share the device by MPS. The error wraps [ErrNoDaemon] if none of ours
// serves it; an answer that is not understood is an error too.
func (d *Daemons) Clients(ctx context.Context, uuid string) ([]int, error) {
	pids, err := d.clients(ctx, d.pipe(uuid))
	if err != nil {
		return nil, fmt.Errorf("MPS clients of %s: %w", uuid, err)
	}
	return pids, nil
}

// clients asks the daemon of a pipe folder: its servers, and each for its clients.
func (d *Daemons) clients(ctx context.Context, pipe string) ([]int, error) {
	servers, err := d.pids(ctx, pipe, "get_server_list")
	if err != nil {
		return nil, err
	}
	clients := []int{}
	for _, server := range servers {
		of, err := d.pids(ctx, pipe, "get_client_list "+strconv.Itoa(server))
		if err != nil {
			return nil, err
		}
		clients = append(clients, of...)
	}
	slices.Sort(clients)
	return slices.Compact(clients), nil
}

// pids asks a question that is answered by process ids, one a line.
func (d *Daemons) pids(ctx context.Context, pipe, command string) ([]int, error) {
	said, err := d.ask(ctx, pipe, command)
	if err != nil {
		return nil, err
	}
	list, err := parsePIDs(said)
	if err != nil {
		return nil, fmt.Errorf("answer to %q: %w", command, err)
	}
	return list, nil
}

// parsePIDs reads process ids, one a line; nothing is an empty list. Anything else
// is an error: a message that we do not know must not count as no clients.
func parsePIDs(said string) ([]int, error) {
	var list []int
	for line := range strings.Lines(said) {
		text := strings.TrimSpace(line)
		pid, err := strconv.Atoi(text)
		if err != nil || pid <= 0 || text != strconv.Itoa(pid) {
			return nil, fmt.Errorf("%q is no process id", text)
		}
		list = append(list, pid)
	}
	return list, nil
}

// parsePercent reads a thread percentage, such as "100.0" or "50%".
func parsePercent(said string) (float64, error) {
	percent, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(said), "%")), 64)
	if err != nil || !(percent > 0 && percent <= 100) {
		return 0, fmt.Errorf("%q is no percentage above 0 and up to 100", said)
	}
	return percent, nil
}
