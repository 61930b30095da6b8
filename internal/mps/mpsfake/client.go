package mpsfake

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"sync"
	"syscall"

	"github.com/evabench/evabench/internal/mps"
)

// Why a connection was refused or ended, in the words of CUDA's errors where there
// are some.
var (
	// ErrNoDaemon says that no daemon listens at the pipe folder. CUDA then runs
	// without MPS and says nothing.
	ErrNoDaemon = mps.ErrNoDaemon
	// ErrNotReady: the daemon is quitting, or its server is in fault.
	ErrNotReady = errors.New("MPS server not ready (CUDA error 807, simulated)")
	// ErrTooManyClients: the server has all the clients that it takes.
	ErrTooManyClients = errors.New("MPS server has no room for more clients (CUDA error 808, simulated)")
	// ErrTerminated: terminate_client ended the client.
	ErrTerminated = errors.New("MPS client terminated (CUDA error 810, simulated)")
	// ErrWrongUser: a daemon that does not run as root serves its own user only.
	ErrWrongUser = errors.New("MPS connection failed: the daemon serves another user (CUDA error 805, simulated)")
	// ErrFault: a fatal fault hit all clients of the server.
	ErrFault = errors.New("fatal GPU fault of a client of this MPS server (simulated)")
	// ErrEnded: the server or the daemon ended.
	ErrEnded = errors.New("MPS server ended (simulated)")
)

// A Client is a process that connects, by what it says of itself: one process may
// stand for many.
type Client struct {
	PID  int    `json:"pid"`
	UID  int    `json:"uid"`
	Name string `json:"name"` // its command, for ps
	// ThreadPercent and MemoryLimitBytes are the client's own limits, from
	// CUDA_MPS_ACTIVE_THREAD_PERCENTAGE and CUDA_MPS_PINNED_DEVICE_MEM_LIMIT; 0 is
	// none.
	ThreadPercent    float64 `json:"thread_percent,omitempty"`
	MemoryLimitBytes uint64  `json:"memory_limit_bytes,omitempty"`
}

// Limits are what a client may use of the device.
type Limits struct {
	Server        int     `json:"server"`         // the server's number, as get_server_list says
	ThreadPercent float64 `json:"thread_percent"` // above 0, up to 100
	MemoryBytes   uint64  `json:"memory_bytes"`   // 0 is no limit
}

// A Connection is a client of a server: it stands in get_client_list until it is
// closed or its process dies. It is safe for concurrent use.
type Connection struct {
	conn   net.Conn
	limits Limits
	done   chan struct{}
	over   sync.WaitGroup

	mu  sync.Mutex
	err error
}

// Connect makes a process a client of the daemon of a pipe folder. It waits while
// the server has clients of another user, without an error, as CUDA does. The error
// wraps one of this package's.
func Connect(ctx context.Context, pipe string, c Client) (*Connection, error) {
	conn, in, err := send(ctx, pipe, message{Client: &c})
	if err != nil {
		return nil, fmt.Errorf("connect process %d to the simulated MPS daemon of %s: %w", c.PID, pipe, err)
	}
	m, err := receive(ctx, conn, in)
	if err == nil && m.Limits == nil {
		err = ErrNotReady
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect process %d to the simulated MPS daemon of %s: %w", c.PID, pipe, err)
	}
	one := &Connection{conn: conn, limits: *m.Limits, done: make(chan struct{})}
	one.over.Go(func() {
		_, err := receive(context.Background(), conn, in)
		one.mu.Lock()
		one.err = err
		one.mu.Unlock()
		close(one.done)
	})
	return one, nil
}

// Limits are what the server gave this client when it connected.
func (c *Connection) Limits() Limits { return c.limits }

// Done is closed when the client can no longer use the device; Err says why. It
// still stands in the list until Close.
func (c *Connection) Done() <-chan struct{} { return c.done }

// Err is nil until Done is closed.
func (c *Connection) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close disconnects the client. A second call does nothing.
func (c *Connection) Close() error {
	err := c.conn.Close()
	c.over.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Fault makes a fatal fault of the simulated GPU: all clients of the server are hit,
// and it takes no new ones until they have left. Without clients it does nothing.
func Fault(ctx context.Context, pipe string) error {
	_, err := exchange(ctx, pipe, message{Fault: true})
	if err != nil {
		return fmt.Errorf("simulate a fault at %s: %w", pipe, err)
	}
	return nil
}

// ask puts one command to a daemon.
func ask(ctx context.Context, pipe, command string) (string, error) {
	m, err := exchange(ctx, pipe, message{Command: command})
	return m.Said, err
}

func exchange(ctx context.Context, pipe string, m message) (message, error) {
	conn, in, err := send(ctx, pipe, m)
	if err != nil {
		return message{}, err
	}
	defer conn.Close()
	return receive(ctx, conn, in)
}

func send(ctx context.Context, pipe string, m message) (net.Conn, *bufio.Reader, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", folders{pipe: pipe}.socket())
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, nil, ErrNoDaemon
	} else if err != nil {
		return nil, nil, err
	}
	if err := reply(conn, m); err != nil {
		return nil, nil, errors.Join(ErrEnded, err, conn.Close())
	}
	return conn, bufio.NewReader(conn), nil
}

// receive reads one line; its error is the one that the daemon told.
func receive(ctx context.Context, conn net.Conn, in *bufio.Reader) (message, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	line, err := in.ReadBytes('\n')
	if err != nil {
		if ctx.Err() != nil {
			return message{}, ctx.Err()
		}
		return message{}, fmt.Errorf("%w: %w", ErrEnded, err)
	}
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, err
	}
	if m.Error == "" {
		return m, nil
	}
	for _, known := range []error{ErrNotReady, ErrTooManyClients, ErrTerminated, ErrWrongUser, ErrFault, ErrEnded} {
		if m.Error == known.Error() {
			return message{}, known
		}
	}
	return message{}, errors.New(strings.TrimSpace(m.Error))
}
