package spawn

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"

	"github.com/evabench/evabench/services"
)

// Ports are those that a launcher gave to instances: a server binds its port
// some time after it was told, and meanwhile nobody else may get it. The zero
// value has given none. It is safe for concurrent use.
//
// A port that was given is an abstract Unix socket of ours, which counts as ports
// do, within one network namespace: so no two services, and no two evabenches, get
// the same one, and none is left after us. (unix(7))
type Ports struct {
	mu   sync.Mutex
	held map[int]net.Listener
}

// Free ports are taken from firstFree to where the kernel's own choice begins, so
// that no connection of the load can have one.
const (
	firstFree = 10000
	tries     = 200
)

// Free finds and takes n free ports in a row.
func (p *Ports) Free(n int) (first int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	end := kernelPorts()
	if end < firstFree+n {
		end = 65536
	}
	for range tries {
		first := firstFree + rand.IntN(end-firstFree-n+1)
		if CheckPorts(first, n) == nil && p.take(first, n) == nil {
			return first, nil
		}
	}
	return 0, fmt.Errorf("find %d free ports in a row: none among %d tries from %d to %d; say port: N", n, tries, firstFree, end-1)
}

// Fixed takes n given ports, which must be free.
func (p *Ports) Fixed(first, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.take(first, n); err != nil {
		return err
	}
	if err := CheckPorts(first, n); err != nil {
		p.giveBack(first, n)
		return err
	}
	return nil
}

// take holds n ports, or none; the caller holds mu.
func (p *Ports) take(first, n int) error {
	if p.held == nil {
		p.held = map[int]net.Listener{}
	}
	for port := first; port < first+n; port++ {
		l, err := net.Listen("unix", "@evabench-port-"+strconv.Itoa(port))
		if err != nil {
			p.giveBack(first, port-first)
			if errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("port %d is another instance's, of this run or another", port)
			}
			return fmt.Errorf("hold port %d: %w", port, err)
		}
		p.held[port] = l
	}
	return nil
}

// GiveBack ends the use of n ports.
func (p *Ports) GiveBack(first, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.giveBack(first, n)
}

func (p *Ports) giveBack(first, n int) {
	for port := first; port < first+n; port++ {
		if l, ok := p.held[port]; ok {
			_ = l.Close() // it holds nothing but its name
			delete(p.held, port)
		}
	}
}

// CheckPorts asks that nobody listens on any of n ports, by listening for a
// moment on every address.
func CheckPorts(first, n int) error {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return &services.PortTakenError{Port: port}
		case err != nil:
			return fmt.Errorf("port %d cannot be used: %w", port, err)
		}
		if err := l.Close(); err != nil {
			return fmt.Errorf("port %d: %w", port, err)
		}
	}
	return nil
}

// kernelPorts is where the ports begin that the kernel gives to connections.
func kernelPorts() int {
	var first, last int
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, err = fmt.Sscan(string(data), &first, &last)
	}
	if err != nil {
		return 32768 // the kernel's default
	}
	return first
}
