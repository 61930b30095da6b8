// Package memnet is a network in memory for tests: it works in the virtual time
// of testing/synctest, where a socket's read would hang.
package memnet

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// A Listener takes the connections that Dial makes. It is safe for concurrent
// use.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen makes a Listener.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects to the listener whatever the address; a closed one refuses.
func (l *Listener) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	client, server := Pipe()
	select {
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	default:
	}
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}
}

// Accept gives the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listener.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the listener's address, which says nothing.
func (l *Listener) Addr() net.Addr { return addr }

var addr = &net.UnixAddr{Name: "memory", Net: "memory"}
