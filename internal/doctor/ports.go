package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/listening"
	"github.com/evabench/evabench/internal/units"
)

// fewPorts is how many ports for connections are few: a client that opens one for
// each call (chat calls do) and closes it holds its port for a minute after it
// (TIME_WAIT), so that 16,384 ports last for some 270 calls a second to one address.
const fewPorts = 16384

// usual are ports that servers of the kinds that evabench drives take if nobody
// says another: vLLM; TorchServe's requests, management and metrics; SGLang; dcgm-exporter.
var usual = []int{8000, 8080, 8081, 8082, 30000, 9400}

func ports(_ context.Context, m Machine) []Finding {
	var all []Finding
	if f, told := m.portRange(); told {
		all = append(all, f)
	}
	sockets, err := listening.Find(m.Root)
	if err != nil {
		return append(all, unknown("%v", err))
	}
	if m.Needs.Known {
		for _, p := range m.Needs.Ports {
			who := listening.Takers(sockets, netip.AddrPortFrom(netip.Addr{}, uint16(p.Number)))
			if len(who) == 0 {
				all = append(all, ok("port %d of service %s is free", p.Number, p.Service))
				continue
			}
			all = append(all, fault(fmt.Sprintf("sudo ss -ltnp 'sport = :%d'   # who has it; end that, or give the service another port, or none: {port} finds a free one", p.Number),
				"service %s is to listen on port %d, which is taken: %s", p.Service, p.Number, listening.Names(who)))
		}
		return all
	}
	var taken []string
	for _, s := range sockets {
		if slices.Contains(usual, s.Port()) {
			taken = append(taken, s.String())
		}
	}
	if len(taken) == 0 {
		return append(all, ok("nothing listens on the usual ports of inference servers (%s)", numbers(usual)))
	}
	return append(all, ok("taken: %s; evabench init --probe asks what they are", strings.Join(slices.Compact(taken), ", ")))
}

func numbers(list []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", ", ")
}

// portRange tells of the ports that connections are made from.
func (m Machine) portRange() (Finding, bool) {
	text, err := m.text("proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return unknown("the range of ports for connections cannot be read: %v", err), true
	}
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return unknown("the range of ports for connections is %q", text), true
	}
	from, err := strconv.Atoi(fields[0])
	to, err2 := strconv.Atoi(fields[1])
	if err != nil || err2 != nil {
		return unknown("the range of ports for connections is %q", text), true
	}
	if n := to - from + 1; n < fewPorts {
		return warn(`sudo sysctl -w net.ipv4.ip_local_port_range="32768 60999"`,
			"connections have %s ports (%d to %d), each held for a minute after it: at some %d chat calls a second there is none left", units.Number(float64(n)), from, to, n/60), true
	}
	return Finding{}, false
}

// ErrSilent is what a Reaches error wraps if something took the connection and did not
// answer as an HTTP server does.
var ErrSilent = errors.New("no HTTP answer")

func servers(ctx context.Context, m Machine) []Finding {
	if !m.Needs.Known {
		return nil // which are meant is not known
	}
	if len(m.Needs.Servers) == 0 {
		return []Finding{ok("the scenario names none that run already")}
	}
	var all []Finding
	for _, s := range m.Needs.Servers {
		err := m.Reaches(ctx, s.URL)
		if errors.Is(err, ErrSilent) {
			all = append(all, warn(fmt.Sprintf("curl -sv --max-time 5 %s   # see the server's log: it may still be starting, or hang; start it again, or correct the url in the scenario", quoted(s.URL)),
				"service %s: what listens at %s takes a connection and gives %v", s.Service, s.URL, err))
			continue
		}
		if err != nil {
			all = append(all, fault(fmt.Sprintf("curl -sv --max-time 5 %s   # start the server, or correct the url in the scenario", quoted(s.URL)),
				"service %s: nothing answers at %s: %v", s.Service, s.URL, err))
			continue
		}
		all = append(all, ok("service %s: a server answers at %s", s.Service, s.URL))
	}
	return all
}
