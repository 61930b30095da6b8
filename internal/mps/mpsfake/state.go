package mpsfake

import (
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"sync"
)

// maxClients is how many CUDA contexts a device's server takes, one for each client
// here: 48 up to CUDA 13.0, 60 since. (NVIDIA, Multi-Process Service.) The fake is
// the stricter.
const maxClients = 48

// firstServer is the first server's number. It is above any process id (Linux has
// at most 4194304): a server of the fake is no process.
const firstServer = 1<<22 + 1

// A daemon is the state of a control daemon. Each change closes changed and makes
// it anew, for who waits.
type daemon struct {
	uid    int
	device string
	log    *log.Logger
	ended  chan struct{}

	mu       sync.Mutex
	changed  chan struct{}
	over     bool
	quitting bool
	percent  float64
	memory   []memoryLimit // in the order in which they were set
	servers  int           // ever started
	server   *server       // one at a time: one user at a time
	queue    []*client     // wait for another user's server to end
}

// A memoryLimit is a default, as it was given.
type memoryLimit struct {
	device, text string
	bytes        uint64
}

// A server serves the clients of one user.
type server struct {
	pid, uid int
	status   string
	closing  bool
	percent  float64
	memory   uint64 // 0 is none
	text     string // of memory
	clients  []*client
	made     int
}

// A client is a connection.
type client struct {
	Client
	id      int
	limits  Limits
	faulted chan struct{}
	ended   chan struct{}
	why     string
}

func newDaemon(uid int, device string, logger *log.Logger) *daemon {
	return &daemon{uid: uid, device: device, log: logger, ended: make(chan struct{}), changed: make(chan struct{}), percent: 100}
}

// change tells all who wait. The lock is held.
func (d *daemon) change() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// wait waits, without the lock, until something changed; false if gone was first.
func (d *daemon) wait(gone <-chan struct{}) bool {
	changed := d.changed
	d.mu.Unlock()
	defer d.mu.Lock()
	select {
	case <-changed:
		return true
	case <-gone:
		return false
	}
}

// admit gives a client its place in a server, after those who came before.
func (d *daemon) admit(c Client, gone <-chan struct{}) (*client, *server, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := &client{Client: c, faulted: make(chan struct{}), ended: make(chan struct{})}
	d.queue = append(d.queue, one)
	told := false
	defer func() {
		d.queue = slices.DeleteFunc(d.queue, func(other *client) bool { return other == one })
		d.change()
	}()
	for {
		switch {
		case d.quitting || d.over:
			return nil, nil, ErrNotReady
		case d.uid != 0 && c.UID != d.uid:
			return nil, nil, ErrWrongUser
		}
		if s := d.server; d.queue[0] != one || s != nil && len(s.clients) > 0 && (s.closing || s.uid != c.UID) {
			if !told {
				d.log.Printf("Client %d of user %d waits", c.PID, c.UID)
				told = true
			}
			if !d.wait(gone) {
				return nil, nil, ErrNotReady
			}
			continue
		}
		if d.server == nil || d.server.closing || d.server.uid != c.UID {
			d.start(c.UID)
		}
		s := d.server
		switch {
		case s.status == statusFault:
			return nil, nil, ErrNotReady
		case len(s.clients) >= maxClients:
			return nil, nil, ErrTooManyClients
		}
		one.id = s.made
		s.made++
		one.limits = s.limits(c)
		s.clients = append(s.clients, one)
		return one, s, nil
	}
}

// start starts a server with the defaults of this moment.
func (d *daemon) start(uid int) {
	d.servers++
	s := &server{pid: firstServer + d.servers - 1, uid: uid, status: statusActive, percent: d.percent}
	for _, limit := range d.memory {
		// One for a device that is not there is ignored; of two, the last counts.
		if limit.device == "0" || limit.device == d.device {
			s.memory, s.text = limit.bytes, limit.text
		}
	}
	d.server = s
	d.log.Printf("Starting new server %d for user %d", s.pid, uid)
	d.change()
}

// limits gives what a new client may use: its own limits, within the server's.
func (s *server) limits(c Client) Limits {
	l := Limits{Server: s.pid, ThreadPercent: s.percent, MemoryBytes: s.memory}
	if c.ThreadPercent > 0 {
		l.ThreadPercent = min(l.ThreadPercent, c.ThreadPercent)
	}
	if c.MemoryLimitBytes > 0 && (l.MemoryBytes == 0 || c.MemoryLimitBytes < l.MemoryBytes) {
		l.MemoryBytes = c.MemoryLimitBytes
	}
	return l
}

// leave takes a client out. A server in fault recovers when all have left.
func (d *daemon) leave(s *server, one *client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.clients = slices.DeleteFunc(s.clients, func(other *client) bool { return other == one })
	if len(s.clients) == 0 {
		s.status = statusActive
		if s.closing && d.server == s {
			d.server = nil
		}
	}
	d.change()
}

// fault is a fatal fault of the GPU: it hits all clients of the server.
func (d *daemon) fault() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server == nil || len(d.server.clients) == 0 || d.server.status == statusFault {
		return
	}
	d.server.status = statusFault
	for _, c := range d.server.clients {
		close(c.faulted)
	}
	d.change()
}

// cut ends clients; they leave by themselves. The lock is held.
func (d *daemon) cut(s *server, why string, which func(*client) bool) (n int) {
	if s == nil {
		return 0
	}
	for _, c := range s.clients {
		if c.why == "" && which(c) {
			c.why = why
			close(c.ended)
			n++
		}
	}
	return n
}

func everyClient(*client) bool { return true }

// end ends the daemon: nobody is admitted any more, and those who are inside are
// cut off.
func (d *daemon) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return
	}
	d.over = true
	d.cut(d.server, ErrEnded.Error(), everyClient)
	d.change()
	close(d.ended)
}

// table writes what ps shows.
func (s *server) table(device string) string {
	parts := strings.Split(device, "-")
	partial := strings.Join(parts[:min(4, len(parts))], "-")
	namespace, _ := os.Readlink("/proc/self/ns/pid")
	namespace = strings.Trim(namespace, "pid:[]")
	var b strings.Builder
	for _, c := range s.clients {
		fmt.Fprintf(&b, "\n%d %d %d %s %s %s", c.PID, c.id, s.pid, partial, namespace, c.Name)
	}
	return b.String()
}
