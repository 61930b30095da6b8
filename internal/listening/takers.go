package listening

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Takers lists the sockets because of which nobody else can listen at an address. One
// that is unspecified, or invalid as of ":8000", is every address of both families, as Go
// takes it.
func Takers(all []Socket, at netip.AddrPort) []Socket {
	var takers []Socket
	for _, s := range all {
		if s.Address.Port() == at.Port() && s.takes(at.Addr().Unmap().WithZone("")) {
			takers = append(takers, s)
		}
	}
	return takers
}

// takes reports whether the socket's address covers another one, or that it.
func (s Socket) takes(at netip.Addr) bool {
	own := s.Address.Addr()
	switch {
	case !at.IsValid(), at.IsUnspecified():
		return true
	case !own.IsUnspecified():
		return own == at
	}
	return own.Is4() == at.Is4() || own.Is6() && !s.V6Only
}

// isV6Only tells a socket on :: that leaves IPv4 to others, as the kernel refuses a port
// in IPv4 under one that does not. /proc does not say it; where nobody has the port in
// IPv4 it makes no difference to whom a port is taken by.
func (s Socket) isV6Only(all []Socket) bool {
	return s.Address.Addr() == netip.IPv6Unspecified() && slices.ContainsFunc(all, func(o Socket) bool {
		return o.Address.Addr().Is4() && o.Port() == s.Port()
	})
}

// Names names sockets of one port as [Socket.String] does one, each process once.
func Names(all []Socket) string {
	var owners []string
	for _, s := range all {
		if o := s.owner(); !slices.Contains(owners, o) {
			owners = append(owners, o)
		}
	}
	return fmt.Sprintf("port %d (%s)", all[0].Port(), strings.Join(owners, "; "))
}
