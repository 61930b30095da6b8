// Package httpx sends one HTTP request once and says what became of it: the
// part of an endpoint that does not depend on the protocol inside.
package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// MaxAnswer bounds the body of an answer, in bytes.
const MaxAnswer = 64 << 20

// detailMax bounds the text kept of an answer that is not OK.
const detailMax = 512

// A DialFunc opens a connection; tests give one that stays in memory.
type DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// A Client sends requests over a pool of its own. It is safe for concurrent
// use.
type Client struct{ transport *http.Transport }

// NewClient makes a client without proxy, compression, redirects or HTTP/2.
// A nil dial means TCP. A connection that is not made within 5 s is given up.
//
// Note: net/http writes bodies in 4 KiB pieces unless its buffer holds more;
// with 100 KB bodies a buffer of 256 KiB saves a third of the client's CPU.
func NewClient(dial DialFunc) *Client {
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	}
	return &Client{&http.Transport{
		DialContext:         bounded(dial),
		DisableCompression:  true,
		MaxIdleConns:        0, // no limit
		MaxIdleConnsPerHost: 1 << 16,
		// Shorter than the 5 s after which uvicorn, under vLLM, closes an idle
		// connection: one that is closed while a request is on its way would
		// count as a reset.
		IdleConnTimeout:       3 * time.Second,
		WriteBufferSize:       256 << 10,
		ReadBufferSize:        16 << 10,
		ExpectContinueTimeout: time.Second,
	}}
}

// dialTimeout bounds the making of a connection: a server whose queue of
// connections is full drops the first packet, and the request would hang for
// its whole timeout.
const dialTimeout = 5 * time.Second

var errDialTimeout = fmt.Errorf("no connection within %v", dialTimeout)

// bounded gives up a dial after dialTimeout.
func bounded(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		limited, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		c, err := dial(limited, network, addr)
		if err != nil && limited.Err() != nil && ctx.Err() == nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errDialTimeout}
		}
		return c, err
	}
}

// Close ends idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// A Call is a request that is ready to be sent. It is not changed once made.
type Call struct {
	URL    *url.URL
	Header http.Header
	Body   []byte
	// Close ends the connection after the answer.
	Close bool
}

// ParseBase reads the base URL of a service. One that holds a user's name or
// password is refused, and not repeated in the error.
func ParseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if strings.Contains(text, "@") && (err != nil || u.User != nil || u.Host == "") {
		return nil, errors.New("the service's URL holds a user name or password; use api_key_env")
	}
	if err != nil {
		return nil, fmt.Errorf("read the service's URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the service's URL %q is not of the form http://host:port", text)
	}
	if u.Path == "" {
		u.Path = "/" // JoinPath would make a relative path of it
	}
	return u, nil
}

// A Reader reads the body of a 2xx answer into a, first byte to last, and calls
// first as loadgen.Prepared tells. An error from reading body is returned as it
// is, wrapped or not; any other fault is put into a.
type Reader func(body io.Reader, first func(), a *loadgen.Answer) error

// A Refusal says whether an answer with status 503 and this body means that the
// server sheds load.
type Refusal func(body []byte) bool

// Send sends the call and reads the answer. It never retries: net/http itself
// only sends again what a closed idle connection took no byte of.
func (c *Client) Send(ctx context.Context, call *Call, first func(), read Reader, sheds Refusal) loadgen.Answer {
	a := loadgen.Answer{
		PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
	}
	sent := &counter{r: bytes.NewReader(call.Body)}
	request := (&http.Request{
		Method: http.MethodPost, URL: call.URL, Host: call.URL.Host, Header: call.Header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(sent), ContentLength: int64(len(call.Body)), Close: call.Close,
	}).WithContext(ctx)
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		a.BytesSent = sent.n.Load()
		a.Outcome, a.Detail = classify(ctx, err), cut(err.Error())
		if a.Outcome == results.Connect && isExhausted(err) {
			a.ClientFault = true
			a.Detail = cut("the load generator's machine has no descriptor, port or memory left: " + a.Detail)
		}
		return a
	}
	defer response.Body.Close()
	body := &counter{r: response.Body, limit: MaxAnswer}
	a.Status = response.StatusCode
	if a.Status/100 == 2 {
		err = read(body, first, &a)
	} else {
		err = refuse(body, sheds, &a)
	}
	a.BytesSent, a.BytesRead = sent.n.Load(), body.n.Load()
	switch {
	case err != nil:
		a.Outcome, a.Detail = classify(ctx, err), cut(err.Error())
	case a.Outcome == 0:
		a.Outcome = results.OK
	}
	a.Detail = cut(a.Detail)
	return a
}

// refuse reads an answer that is not 2xx.
func refuse(body io.Reader, sheds Refusal, a *loadgen.Answer) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	a.Detail = strings.TrimSpace(string(text[:min(len(text), detailMax)]))
	if a.Detail == "" {
		a.Detail = fmt.Sprintf("HTTP status %d without a body", a.Status)
	}
	switch {
	case a.Status < 400:
		a.Outcome = results.Malformed // redirects are not followed
	case a.Status == http.StatusTooManyRequests:
		a.Outcome = results.Shed
	case OutOfMemory(text):
		a.Outcome = results.OOM
	case a.Status == http.StatusServiceUnavailable && sheds(text):
		a.Outcome = results.Shed
	case a.Status >= 500:
		a.Outcome = results.HTTP5xx
	default:
		a.Outcome = results.HTTP4xx
	}
	return nil
}

// OutOfMemory reports whether a server's words say that its device is out of
// memory, as PyTorch and CUDA put it.
func OutOfMemory(text []byte) bool {
	return bytes.Contains(bytes.ToLower(text), []byte("out of memory"))
}

// A counter counts what was read through it, and refuses more than its limit if
// it has one.
type counter struct {
	r     io.Reader
	limit int64
	n     atomic.Int64 // net/http may still read a body when RoundTrip has returned
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if total := c.n.Add(int64(n)); c.limit > 0 && total > c.limit {
		return n, errTooLong
	}
	return n, err
}

func cut(text string) string { return text[:min(len(text), detailMax)] }
