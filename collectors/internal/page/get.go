// Package page reads the pages on which servers tell of themselves: bounded in
// time and size, over connections of its own, and never taking an empty or
// broken page for zeros.
package page

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
)

// Limit is the most bytes that a page may have.
const Limit = 16 << 20

// Longest is the most time that getting one page may take, whatever the context
// allows.
const Longest = 30 * time.Second

// ErrEmpty is a page that was answered with 200 and holds nothing: the server
// tells nothing, which is no evidence of anything.
var ErrEmpty = errors.New("200 and empty: no evidence")

// errTooLarge is a page of more than Limit bytes.
var errTooLarge = fmt.Errorf("the page is larger than %d MiB: %w", Limit>>20, collectors.ErrFlood)

// A Getter gets pages of one server over a connection of its own, without
// proxies and without following redirects. Close it after use.
type Getter struct {
	base, host  string
	client      *http.Client
	credentials trust.Credentials
}

// NewGetter gives the Getter of the server at base, an http or https URL
// without a query, reached by that access. It does not connect.
func NewGetter(base string, access trust.Access) (*Getter, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("page's URL: %w", cause(err))
	}
	if u.User != nil {
		return nil, errors.New("page's URL holds a user name or password; use api_key_env or api_key_file")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("page's URL %q is not http://HOST:PORT with or without a path", base)
	}
	credentials, err := access.For(u)
	if err != nil {
		return nil, err
	}
	return &Getter{
		credentials: credentials,
		base:        strings.TrimRight(base, "/"),
		host:        u.Host,
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:               nil, // what we measure is what we were pointed at
				TLSClientConfig:     credentials.TLS,
				MaxConnsPerHost:     1,
				MaxIdleConnsPerHost: 1,
				IdleConnTimeout:     30 * time.Second,
				// To compress costs the server more than the bytes cost us.
				DisableCompression:     true,
				MaxResponseHeaderBytes: 64 << 10,
			},
			Timeout:       Longest,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// WarnUnverified is the code of a page of a server that is not checked over TLS.
const WarnUnverified = "tls-unverified"

// Warnings tells, of a subject, what of the way to the server is not safe.
func (g *Getter) Warnings(subject string) []results.Warning {
	if c := g.credentials.TLS; c == nil || !c.InsecureSkipVerify {
		return nil
	}
	return []results.Warning{{Code: WarnUnverified, Subject: subject, Count: 1,
		Text: fmt.Sprintf("insecure_skip_verify: whoever stands on the way to %s may answer in its place; name its authority by ca_file", g.host)}}
}

// An Answer is a page with what its answer's header tells of it.
type Answer struct {
	Body []byte
	// Date is the server's clock, in whole seconds; zero if it was not told.
	Date time.Time
	// Held is how long a cache on the way has held the page, if Cached.
	Held   time.Duration
	Cached bool
}

// Get gets the page at path below the base URL, at most Limit bytes. Any
// status but 200 is an error, and so is a page without a byte ([ErrEmpty]).
func (g *Getter) Get(ctx context.Context, path, accept string) ([]byte, error) {
	answer, err := g.Answer(ctx, path, accept)
	return answer.Body, err
}

// Answer is Get, with what the answer's header tells. The Body is the caller's.
func (g *Getter) Answer(ctx context.Context, path, accept string) (Answer, error) {
	answer, err := g.get(ctx, g.base+path, accept)
	if err != nil {
		return Answer{}, fmt.Errorf("get %s: %w", g.base+path, err)
	}
	return answer, nil
}

func (g *Getter) get(ctx context.Context, url, accept string) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Accept", accept)
	g.credentials.Sign(request)
	response, err := g.client.Do(request)
	if err != nil {
		return Answer{}, g.credentials.Fault(cause(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		start, _ := io.ReadAll(io.LimitReader(response.Body, 200))
		return Answer{}, fmt.Errorf("status %d: %s", response.StatusCode, g.credentials.Hide(oneLine(start)))
	}
	if response.ContentLength > Limit {
		return Answer{}, errTooLarge
	}
	var body bytes.Buffer
	if n := response.ContentLength; n > 0 && n <= Limit {
		body.Grow(int(n) + bytes.MinRead)
	}
	_, err = body.ReadFrom(io.LimitReader(response.Body, Limit+1))
	switch {
	case err != nil:
		return Answer{}, fmt.Errorf("after %d bytes: %w", body.Len(), g.credentials.Fault(err))
	case body.Len() > Limit:
		return Answer{}, errTooLarge
	case len(bytes.TrimSpace(body.Bytes())) == 0:
		return Answer{}, ErrEmpty
	}
	answer := Answer{Body: body.Bytes()}
	if g.credentials.Secret() { // names and labels of the page stand in the results
		answer.Body = []byte(g.credentials.Hide(body.String()))
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		answer.Date = date
	}
	if held, err := strconv.ParseInt(response.Header.Get("Age"), 10, 32); err == nil && held >= 0 {
		answer.Held, answer.Cached = time.Duration(held)*time.Second, true
	}
	return answer, nil
}

// Close closes the connection. It always gives nil.
func (g *Getter) Close() error {
	g.client.CloseIdleConnections()
	return nil
}

// cause takes the method and the URL out of a client's error: Get says them.
func cause(err error) error {
	if fault, ok := errors.AsType[*url.Error](err); ok {
		return fault.Err
	}
	return err
}

// oneLine makes the beginning of an answer fit for a message.
func oneLine(text []byte) string {
	return strings.Join(strings.FieldsFunc(string(text), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}
