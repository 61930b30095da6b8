package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestTakenBy: of two processes that listen on one port, the one that is named has the
// address; both where every address was asked for.
func TestTakenBy(t *testing.T) {
	ours, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	at := ours.Addr().(*net.TCPAddr).AddrPort()
	another := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), at.Port())
	theirs, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(another))
	if err != nil {
		t.Fatal(err)
	}
	file, err := theirs.File()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("cat") // it has the socket, and ends with its input
	c.ExtraFiles = []*os.File{file}
	input, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err := errors.Join(err, file.Close(), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(input.Close(), c.Wait()); err != nil {
			t.Error(err)
		}
	}()
	we, it := fmt.Sprintf("pid %d, ", os.Getpid()), fmt.Sprintf("pid %d, cat", c.Process.Pid)
	for _, x := range []struct {
		at         netip.AddrPort
		want, none []string
	}{
		{at, []string{we, "end that process"}, []string{it}},
		{another, []string{it, "end that process"}, []string{we}},
		{netip.AddrPortFrom(netip.Addr{}, at.Port()), []string{we, it, "end those processes"}, nil},
		{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), at.Port()), []string{"ss -ltnp"}, []string{we, it}},
	} {
		got := taken(x.at, "give another").Error()
		for _, want := range x.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q, want %q in it", x.at, got, want)
			}
		}
		for _, none := range x.none {
			if strings.Contains(got, none) {
				t.Errorf("%s: %q, want no %q in it", x.at, got, none)
			}
		}
	}
}
