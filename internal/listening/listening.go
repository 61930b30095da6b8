// Package listening tells which processes listen on which TCP ports, as /proc
// shows them. It opens no connection.
package listening

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/prometheus/procfs"
)

// A Socket is a TCP port on which something listens.
type Socket struct {
	// Address is where; unspecified (0.0.0.0, ::) means every address.
	Address netip.AddrPort `json:"address"`
	// PID is the process, 0 if we may not see whose it is.
	PID int `json:"pid,omitempty"`
	// Args is the process's command line; empty if unknown.
	Args []string `json:"args,omitempty"`
	// V6Only says that :: does not mean the addresses of IPv4.
	V6Only bool `json:"v6_only,omitempty"`
}

// Port is the number of the port.
func (s Socket) Port() int { return int(s.Address.Port()) }

// Local is an address of this machine at which the socket answers.
func (s Socket) Local() netip.AddrPort {
	at := s.Address.Addr().Unmap()
	switch {
	case at == netip.IPv6Unspecified() && s.V6Only:
		at = netip.IPv6Loopback()
	case at.IsUnspecified():
		at = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.AddrPortFrom(at, s.Address.Port())
}

// String names the socket as people do: "port 8000 (pid 12, vllm serve …)".
func (s Socket) String() string {
	return fmt.Sprintf("port %d (%s)", s.Port(), s.owner())
}

// owner names whose the socket is.
func (s Socket) owner() string {
	if s.PID == 0 {
		return "whose is unknown; root may see it"
	}
	const most = 60
	line := strings.Map(func(r rune) rune { // another's words may hold a terminal's commands
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(withoutSecrets(s.Args), " "))
	if r := []rune(line); len(r) > most {
		line = string(r[:most]) + " …"
	}
	return fmt.Sprintf("pid %d, %s", s.PID, cmp.Or(line, "name unknown"))
}

// withoutSecrets hides what follows a flag that seems to take a secret.
func withoutSecrets(args []string) (shown []string) {
	hide := false
	for _, arg := range args {
		flag, _, joined := strings.Cut(arg, "=")
		secret := strings.HasPrefix(arg, "-") && secretFlag.MatchString(flag)
		switch {
		case hide:
			arg = "[hidden]"
		case secret && joined:
			arg = flag + "=[hidden]"
		}
		hide = secret && !joined && !hide
		shown = append(shown, arg)
	}
	return shown
}

var secretFlag = regexp.MustCompile(`(?i)(key|token|secret|passwd|password|credentials?|auth)$`)

// listens is the state of a listening socket (linux, include/net/tcp_states.h).
const listens = 10

// Find lists the sockets below root's /proc, by port and address. Root "" means
// "/". What it may not look into has no process; a process that ended meanwhile is
// left out.
func Find(root string) ([]Socket, error) {
	proc, err := procfs.NewFS(filepath.Join(cmp.Or(root, "/"), "proc"))
	if err != nil {
		return nil, fmt.Errorf("list listening ports: %w", err)
	}
	byInode := map[uint64][]int{}
	var all []Socket
	add := func(lines procfs.NetTCP) {
		for _, l := range lines {
			if l.St != listens {
				continue
			}
			at, ok := netip.AddrFromSlice(l.LocalAddr)
			if !ok {
				continue
			}
			byInode[l.Inode] = append(byInode[l.Inode], len(all))
			all = append(all, Socket{Address: netip.AddrPortFrom(at.Unmap(), uint16(l.LocalPort))})
		}
	}
	four, err := proc.NetTCP()
	if err != nil {
		return nil, fmt.Errorf("list listening ports: %w", err)
	}
	add(four)
	six, err := proc.NetTCP6()
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a machine without IPv6
		return nil, fmt.Errorf("list listening ports: %w", err)
	}
	add(six)
	for i, s := range all {
		all[i].V6Only = s.isV6Only(all)
	}
	if err := owners(proc, func(inode uint64, pid int, args []string) {
		for _, i := range byInode[inode] {
			all[i].PID, all[i].Args = pid, args
		}
	}); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Socket) int {
		return cmp.Or(cmp.Compare(a.Port(), b.Port()), a.Address.Addr().Compare(b.Address.Addr()))
	})
	return all, nil
}

// owners tells which process has which socket open. A socket that several have
// is the first one's: workers inherit their parent's.
func owners(proc procfs.FS, tell func(inode uint64, pid int, args []string)) error {
	processes, err := proc.AllProcs()
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	slices.SortFunc(processes, func(a, b procfs.Proc) int { return a.PID - b.PID })
	seen := map[uint64]bool{}
	for _, p := range processes {
		targets, err := p.FileDescriptorTargets()
		if err != nil {
			continue // another user's, or gone
		}
		for _, t := range targets {
			var inode uint64
			if _, err := fmt.Sscanf(t, "socket:[%d]", &inode); err != nil || seen[inode] {
				continue
			}
			seen[inode] = true
			args, _ := p.CmdLine() // empty where it may not be read
			tell(inode, p.PID, args)
		}
	}
	return nil
}
