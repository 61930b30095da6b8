package mpsfake

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What get_server_status says. (NVIDIA, Multi-Process Service, error containment.)
const (
	statusActive = "ACTIVE"
	statusFault  = "FAULT"
)

// command obeys one command. Those that wait for clients give up, and change
// nothing back, when the one who asked is gone.
func (d *daemon) command(words []string, gone <-chan struct{}) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(words) == 0 {
		return "", errors.New("no command")
	}
	name, args := words[0], words[1:]
	switch name {
	case "quit":
		return "", d.quit(args, gone)
	case "get_server_list":
		return d.serverList(), none(args)
	case "start_server":
		return "", d.startServer(args)
	case "ps", "get_device_client_list":
		return d.snapshot(name, args)
	case "get_default_active_thread_percentage":
		return percentText(d.percent), none(args)
	case "set_default_active_thread_percentage":
		percent, err := percentOf(args)
		if err != nil {
			return "", err
		}
		d.percent = percent
		return percentText(percent), nil
	case "get_default_device_pinned_mem_limit", "set_default_device_pinned_mem_limit":
		return d.memoryDefault(name, args)
	}
	if len(args) == 0 {
		return "", fmt.Errorf("command %q is unknown, or lacks the server's PID", name)
	}
	pid, err := strconv.Atoi(args[0])
	if err != nil || d.server == nil || d.server.pid != pid {
		return "", fmt.Errorf("there is no server %q", args[0])
	}
	return d.serverCommand(name, d.server, args[1:], gone)
}

// serverCommand obeys a command to one server.
func (d *daemon) serverCommand(name string, s *server, args []string, gone <-chan struct{}) (string, error) {
	switch name {
	case "get_server_status":
		return s.status, none(args)
	case "get_client_list":
		var pids []string
		for _, c := range s.clients {
			pids = append(pids, strconv.Itoa(c.PID))
		}
		return strings.Join(pids, "\n"), none(args)
	case "terminate_client":
		if len(args) != 1 {
			return "", errors.New("terminate_client wants the PIDs of a server and of a client")
		}
		if d.cut(s, ErrTerminated.Error(), func(c *client) bool { return strconv.Itoa(c.PID) == args[0] }) == 0 {
			return "", fmt.Errorf("server %d has no client %q", s.pid, args[0])
		}
		return "0", nil
	case "shutdown_server":
		return "", d.shutdown(s, args, gone)
	case "get_active_thread_percentage":
		return percentText(s.percent), none(args)
	case "set_active_thread_percentage":
		percent, err := percentOf(args)
		if err != nil {
			return "", err
		}
		s.percent = percent
		return percentText(percent), nil
	case "get_device_pinned_mem_limit", "set_device_pinned_mem_limit":
		return d.memoryOf(name, s, args)
	}
	return "", fmt.Errorf("unknown command %q", name)
}

func none(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q is too much", args)
	}
	return nil
}

func (d *daemon) serverList() string {
	if d.server == nil {
		return ""
	}
	return strconv.Itoa(d.server.pid)
}

// quit waits until the clients have left, or cuts them off after the time of -t.
func (d *daemon) quit(args []string, gone <-chan struct{}) error {
	var force <-chan time.Time
	switch {
	case len(args) == 0:
	case len(args) == 2 && args[0] == "-t":
		seconds, err := strconv.Atoi(args[1])
		if err != nil || seconds < 0 {
			return fmt.Errorf("quit -t wants seconds, not %q", args[1])
		}
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		force = timer.C
	default:
		return fmt.Errorf("quit does not know %q", args)
	}
	d.quitting = true
	d.change()
	if err := d.empty(d.server, force, gone); err != nil {
		return err
	}
	d.server = nil
	d.mu.Unlock()
	d.end()
	d.mu.Lock()
	return nil
}

// empty waits until a server has no clients; when the time to force is there it
// cuts them off.
func (d *daemon) empty(s *server, force <-chan time.Time, gone <-chan struct{}) error {
	for s != nil && len(s.clients) > 0 {
		changed := d.changed
		d.mu.Unlock()
		forced, left := false, false
		select {
		case <-changed:
		case <-force:
			forced = true
		case <-gone:
			left = true
		}
		d.mu.Lock()
		if forced {
			d.cut(s, ErrEnded.Error(), everyClient)
		}
		if left {
			return errors.New("who asked is gone")
		}
	}
	return nil
}

// shutdown ends a server: with -f at once, else when its clients have left.
func (d *daemon) shutdown(s *server, args []string, gone <-chan struct{}) error {
	s.closing = true
	switch {
	case len(args) == 1 && args[0] == "-f":
		d.cut(s, ErrEnded.Error(), everyClient)
	case len(args) > 0:
		return fmt.Errorf("shutdown_server does not know %q", args)
	}
	d.change()
	if err := d.empty(s, nil, gone); err != nil {
		return err
	}
	if d.server == s {
		d.server = nil
		d.change()
	}
	return nil
}

func (d *daemon) startServer(args []string) error {
	if len(args) != 2 || args[0] != "-uid" {
		return errors.New("start_server wants -uid and a user id")
	}
	uid, err := strconv.Atoi(args[1])
	switch {
	case err != nil || uid < 0:
		return fmt.Errorf("%q is no user id", args[1])
	case d.uid != 0 && uid != d.uid:
		return ErrWrongUser
	case d.quitting:
		return ErrNotReady
	case d.server != nil:
		return fmt.Errorf("server %d of user %d runs", d.server.pid, d.server.uid)
	}
	d.start(uid)
	return nil
}

// snapshot lists clients with their device: ps as the manual shows it. The format
// of get_device_client_list is not documented; this is our own.
func (d *daemon) snapshot(name string, args []string) (string, error) {
	if name == "ps" && len(args) > 0 && args[0] == "-p" {
		args = args[1:]
	}
	if len(args) > 1 || len(args) == 1 && (d.server == nil || args[0] != strconv.Itoa(d.server.pid)) {
		return "", fmt.Errorf("there is no server %q", args)
	}
	if name == "ps" {
		said := "PID ID SERVER DEVICE NAMESPACE COMMAND"
		if d.server != nil {
			said += d.server.table(d.device)
		}
		return said, nil
	}
	if d.server == nil || len(d.server.clients) == 0 {
		return "", nil
	}
	said := "Device " + d.device
	for _, c := range d.server.clients {
		said += "\n" + strconv.Itoa(c.PID)
	}
	return said, nil
}

// memoryDefault reads or sets the limit that servers to come begin with, by the
// very name that is given for the device: nothing translates or checks it.
func (d *daemon) memoryDefault(name string, args []string) (string, error) {
	if strings.HasPrefix(name, "get") {
		if len(args) != 1 {
			return "", errors.New("which device?")
		}
		for _, limit := range slices.Backward(d.memory) {
			if limit.device == args[0] {
				return limit.text, nil
			}
		}
		return "", nil
	}
	limit, err := memoryLimitOf(args)
	if err == nil {
		d.memory = append(d.memory, limit)
	}
	return "", err
}

// memoryOf reads or sets a server's limit, for clients to come.
func (d *daemon) memoryOf(name string, s *server, args []string) (string, error) {
	if len(args) == 0 || args[0] != "0" && args[0] != d.device {
		return "", fmt.Errorf("no such device: %q", args)
	}
	if strings.HasPrefix(name, "get") {
		return s.text, none(args[1:])
	}
	limit, err := memoryLimitOf(args)
	if err == nil {
		s.memory, s.text = limit.bytes, limit.text
	}
	return "", err
}

// memoryLimitOf reads a device and a limit: an integer with G or M.
func memoryLimitOf(args []string) (memoryLimit, error) {
	if len(args) != 2 {
		return memoryLimit{}, errors.New("a device and a limit are wanted")
	}
	text := args[1]
	bits := map[byte]uint{'G': 30, 'M': 20}[text[len(text)-1]]
	number, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if bits == 0 || err != nil || number == 0 {
		return memoryLimit{}, fmt.Errorf("%q is no limit such as 10G or 900M", text)
	}
	return memoryLimit{device: args[0], text: text, bytes: number << bits}, nil
}

func percentOf(args []string) (float64, error) {
	if len(args) != 1 {
		return 0, errors.New("one percentage is wanted")
	}
	percent, err := strconv.ParseFloat(args[0], 64)
	if err != nil || !(percent > 0 && percent <= 100) {
		return 0, fmt.Errorf("%q is no percentage above 0 and up to 100", args[0])
	}
	return percent, nil
}

func percentText(percent float64) string { return strconv.FormatFloat(percent, 'f', 1, 64) }
