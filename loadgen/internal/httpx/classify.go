package httpx

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/evabench/evabench/results"
)

var errTooLong = fmt.Errorf("the answer is longer than %d bytes", MaxAnswer)

// classify says what an error of sending or reading means. Our own end comes
// first: whatever broke after it, broke because of it.
func classify(ctx context.Context, err error) results.Outcome {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return results.Timeout
	case ctx.Err() != nil:
		return results.Cancelled
	case isConnect(err): // dialling has a time limit of its own
		return results.Connect
	case errors.Is(err, context.DeadlineExceeded):
		// The transport's own view of the deadline may come a moment before
		// the context's.
		return results.Timeout
	case errors.Is(err, errTooLong):
		return results.Malformed
	case strings.Contains(err.Error(), "malformed"), strings.Contains(err.Error(), "invalid byte in chunk length"):
		return results.Malformed // net/http has no type for what it cannot read
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

// isConnect reports whether err means that there never was a connection.
func isConnect(err error) bool {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
