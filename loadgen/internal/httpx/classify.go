package httpx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/evabench/evabench/results"
)

// classify says what an error of connecting, sending or reading means. Our own
// end is not among them. Answered is whether an answer had begun, this one or, by
// cutOff, one before it.
func classify(err error, connected, answered bool) results.Outcome {
	if _, ok := errors.AsType[malformed](err); ok {
		return results.Malformed
	}
	if errors.Is(err, errRace) {
		return results.Reset
	}
	if !connected || isConnect(err, answered) {
		return results.Connect
	}
	// net/http has no type for what it cannot read.
	text := err.Error()
	for _, sign := range []string{
		"malformed", "invalid byte in chunk length", "http chunk length too large", "empty hex number", "invalid header",
		"response headers exceeded", "header line too long", "headers too long", "suspiciously long trailer",
		"too much non-data", "bare LF", "bad Content-Length", "unsupported transfer encoding", "too many transfer encodings",
		"invalid empty Content-Length", "multiple Content-Length", "frame too large", "PROTOCOL_ERROR",
	} {
		if strings.Contains(text, sign) {
			return results.Malformed
		}
	}
	return results.Reset
}

// isExhausted reports whether err means that this machine had no descriptor,
// port or memory left for a connection.
func isExhausted(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// afterAddress gives what is to be told when an address was tried in vain, after
// what was to be told of those before it: the error, or theirs where this machine
// has no address of the kind, as with IPv6 switched off. Connecting says the same
// then as when the ports are used up, which is no reason to try another.
func afterAddress(before, err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || !errors.Is(err, syscall.EADDRNOTAVAIL) {
		return err
	}
	to, ok := op.Addr.(*net.TCPAddr)
	switch {
	case !ok || reachable(to):
		return err
	case before != nil:
		return before
	}
	// Not wrapped: nothing is exhausted.
	return fmt.Errorf("this machine has no address of the kind: %v", err)
}

// reachable reports whether there is a way to the address from one of ours. A UDP
// socket that is connected sends nothing, and needs no port of TCP's.
func reachable(to *net.TCPAddr) bool {
	c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: to.IP, Port: to.Port, Zone: to.Zone})
	if err == nil {
		c.Close()
	}
	return !errors.Is(err, syscall.EADDRNOTAVAIL) && !errors.Is(err, syscall.ENETUNREACH)
}

// isConnect reports whether err means that there never was a connection, or
// none that the server agreed to: in TLS 1.3 it refuses our certificate only
// after the handshake.
func isConnect(err error, answered bool) bool {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return !answered
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "remote error" && !answered)
}

// cutOff is the error of a connection that ended before the answer did. Served
// is whether the connection had carried an answer before, and answered whether
// this one had begun.
func cutOff(err error, served, answered bool) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if served && !answered {
		return fmt.Errorf("%w: %w", errRace, err)
	}
	return fmt.Errorf("%w: %w", errCut, err)
}

var (
	errCut  = errors.New("the connection ended before the answer did")
	errRace = errors.New("the server ended a kept connection before it answered on it; nothing is sent again")
	// errStale and errFarewell are races of which something was read.
	errStale    = fmt.Errorf("%w: what it said came in before the request was sent", errRace)
	errFarewell = fmt.Errorf("%w: status 408", errRace)
)
