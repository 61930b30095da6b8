// Package httpx sends HTTP requests and says what became of each: the part of
// an endpoint that does not depend on the protocol inside.
//
// There are two clients behind one [loadgen.Line]. The lean one speaks HTTP/1.1
// on the step's loop, over TCP, TLS or a connection in memory: it copies no body
// and allocates nothing per request. The other is net/http's, for HTTP/2 and
// proxies, with a goroutine for each exchange; its times are those of that
// goroutine. What an answer means is the same code for both.
//
// Nothing is sent again. A request that falls on a kept connection just when
// the server closes it is a reset (RFC 9112, section 9.3.1: only what is
// idempotent may be sent again unasked, and a POST is not), its detail says so,
// and a scenario's retries may ask again, with a sample of their own. It is made
// rare: an idle connection is dropped when the server ends it, and after a limit
// below the 5 s of uvicorn.
package httpx

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// A DialFunc opens a connection; tests give one that stays in memory.
type DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// Config is what a Client is made of.
type Config struct {
	Base      *url.URL // as ParseBase gives it
	Transport Transport
	// NewReader makes a Reader of the answers; each Line makes as many as it has
	// exchanges on their way at once.
	NewReader func() Reader
	// Sheds looks at answers with status 503; nil means that none sheds load.
	Sheds Refusal
	// Secret, if not empty, stands as [key] in what is told of a server's words.
	Secret string
	// Dial, if not nil, opens all connections instead of TCP.
	Dial DialFunc
}

// A Client knows one instance. An endpoint over HTTP embeds one and adds
// Prepare, which gives *Request. It is safe for concurrent use.
type Client struct {
	Config
	secure *tls.Config // nil for http
	proxy  *url.URL    // nil for none
	host   string      // for the Host field
	prefix string      // of paths, without a slash at its end
	limits limits
}

// New checks the configuration, reads the files it names, and opens nothing.
func New(c Config) (*Client, error) {
	if c.Base == nil || c.NewReader == nil {
		return nil, errors.New("a client needs a base URL and a reader")
	}
	if c.Sheds == nil {
		c.Sheds = func([]byte) bool { return false }
	}
	client := &Client{Config: c, host: c.Base.Host, prefix: strings.TrimRight(c.Base.EscapedPath(), "/"), limits: limits{MaxAnswer, maxHeld}}
	if err := client.Transport.complete(c.Base.Scheme); err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	var err error
	if client.secure, err = client.Transport.secure(c.Base); err != nil {
		return nil, fmt.Errorf("transport: tls: %w", err)
	}
	client.proxy, _ = url.Parse(client.Transport.Proxy) // complete looked at it
	if client.Transport.Proxy == "" {
		client.proxy = nil
	}
	return client, nil
}

// Open looks up the host's name, if it has one, and makes a line. A name that is
// not known makes every request's outcome Connect.
func (c *Client) Open(loop pace.Loop) (loadgen.Line, error) {
	to := &place{client: c, addr: c.addr()}
	if c.Dial == nil && c.proxy == nil {
		to.lookUp()
	}
	if c.Transport.HTTP == http2 || c.proxy != nil {
		return openNet(c, loop, to), nil
	}
	return openLean(c, loop, to), nil
}

// The codes of Warnings.
const (
	WarnUnverified = "tls-unverified"
	WarnClearKey   = "key-in-clear"
)

// Warnings tells what of the way to the server is not safe.
func (c *Client) Warnings() (all []results.Warning) {
	if c.secure != nil && c.secure.InsecureSkipVerify {
		all = append(all, results.Warning{Code: WarnUnverified, Count: 1,
			Text: fmt.Sprintf("insecure_skip_verify: whoever stands on the way to %s may answer in its place; name its authority by ca_file", c.Base.Host)})
	}
	if c.secure == nil && c.Secret != "" && !onThisMachine(c.Base.Hostname()) {
		all = append(all, results.Warning{Code: WarnClearKey, Count: 1,
			Text: fmt.Sprintf("the key goes to %s over http, and whoever stands on the way can read it; ask over https", c.Base.Host)})
	}
	return all
}

// onThisMachine reports whether a host's name means this machine by itself.
func onThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// Close ends what outlives lines: nothing.
func (c *Client) Close() {}

// dialTimeout is why a connection was given up.
func (c *Client) dialTimeout() error {
	return fmt.Errorf("no connection within %v", c.Transport.ConnectTimeout)
}

// addr is the host and port to connect to.
func (c *Client) addr() string {
	port := c.Base.Port()
	switch {
	case port != "":
	case c.Base.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(c.Base.Hostname(), port)
}

// ParseBase reads the base URL of a service. One that holds a user's name or
// password is refused, and neither that nor a query is repeated in the error.
func ParseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if strings.Contains(text, "@") && (err != nil || u.User != nil || u.Host == "") {
		return nil, errors.New("the service's URL holds a user name or password; use api_key_env")
	}
	shown := text[:strings.IndexAny(text+"?", "?#")] // what follows may be a secret
	if fault, ok := errors.AsType[*url.Error](err); ok {
		err = fault.Err // it says the whole URL
	}
	if err != nil {
		return nil, fmt.Errorf("read the service's URL %q: %w", shown, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the service's URL %q is not of the form http://host:port", shown)
	}
	if u.Path == "" {
		u.Path = "/" // JoinPath would make a relative path of it
	}
	return u, nil
}

// A place is where a line's connections go.
type place struct {
	client *Client
	addr   string // host and port
	addrs  []netip.AddrPort
	good   atomic.Int32 // place of the one that answered last
	err    error        // why there are no addrs
}

// lookUp finds the addresses.
func (p *place) lookUp() {
	host, port, err := net.SplitHostPort(p.addr)
	if err != nil {
		p.err = err
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.client.Transport.ConnectTimeout)
	defer cancel()
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		p.err = err
		return
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		p.err = err
		return
	}
	for _, ip := range found {
		p.addrs = append(p.addrs, netip.AddrPortFrom(ip.Unmap(), uint16(number)))
	}
}

// dial opens a connection, with TLS where the URL says so. The context bounds
// all of it.
func (p *place) dial(ctx context.Context) (net.Conn, error) {
	c, err := p.dialPlain(ctx)
	if err != nil || p.client.secure == nil {
		return c, err
	}
	s := tls.Client(c, p.client.secure)
	err = s.HandshakeContext(ctx)
	if want := p.client.secure.NextProtos[0]; err == nil && want == "h2" && s.ConnectionState().NegotiatedProtocol != want {
		err = errors.New("the server does not speak HTTP/2")
	}
	if err != nil {
		c.Close()
		return nil, &net.OpError{Op: "dial", Net: "tls", Err: err}
	}
	return s, nil
}

// dialPlain tries the addresses in turn, from the one that answered last on. They
// share what time there is evenly, so that a silent one leaves time for others.
func (p *place) dialPlain(ctx context.Context) (net.Conn, error) {
	if p.client.Dial != nil {
		return p.client.Dial(ctx, "tcp", p.addr)
	}
	until, ok := ctx.Deadline()
	if !ok {
		until = time.Now().Add(p.client.Transport.ConnectTimeout)
	}
	err, first := p.err, int(p.good.Load())
	for i := range p.addrs {
		var d net.Dialer
		if left := len(p.addrs) - i; left > 1 {
			d.Timeout = time.Until(until) / time.Duration(left)
		}
		at := (first + i) % len(p.addrs)
		before := err // nil at first, as there are addresses
		var c net.Conn
		if c, err = d.DialContext(ctx, "tcp", p.addrs[at].String()); err == nil {
			p.good.Store(int32(at))
			return pace.Stamped(c), nil
		}
		err = afterAddress(before, err)
		if isExhausted(err) {
			return nil, err
		}
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
}
