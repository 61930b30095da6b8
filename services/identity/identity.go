// Package identity asks a server that runs whether it is the one that a
// configuration means: the right model behind the address, the right number of
// workers.
package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/evabench/evabench/internal/trust"
)

// A Question is what a page of the server must say. Page, Has and Equals may be
// templates of a launcher until [Question.Expand].
type Question struct {
	// Page is a path below the instance's URL ("/v1/models"), or a whole URL.
	Page string `yaml:"page"`
	// Has is a text that must stand in the answer, or in the value that JSON
	// names; empty asks nothing.
	Has string `yaml:"has"`
	// JSON names a value of the answer: names and numbers as in
	// "$[0].minWorkers" or `data[0]["id"]`; empty means the whole answer.
	JSON string `yaml:"json"`
	// Equals is what the value that JSON names must be; numbers are compared as
	// numbers. Empty asks nothing. Without Has and Equals the value is recorded as the
	// server's version, which must stay as it was for all cells of a configuration; what
	// differs between configurations is warned of.
	Equals string `yaml:"equals"`
}

// Check tells what is wrong with a question before it is asked. Templates pass.
func (q Question) Check() error {
	switch {
	case q.Page == "":
		return errors.New("page is missing; give a path (/v1/models) or a whole URL")
	case !strings.HasPrefix(q.Page, "/") && !strings.HasPrefix(q.Page, "http://") && !strings.HasPrefix(q.Page, "https://"):
		return fmt.Errorf("page %q is neither a path, which begins with /, nor a URL with http:// or https://", q.Page)
	case strings.Contains(q.Page, "@"):
		return errors.New("page holds a user name or password, which would stand in the results")
	case q.Has == "" && q.JSON == "" && q.Equals == "":
		return fmt.Errorf("page %s: nothing is asked of it; give has: TEXT, or json: PATH alone or with equals: VALUE", q.Page)
	case q.Equals != "" && q.JSON == "":
		return fmt.Errorf("page %s: equals needs json: PATH, the value that is meant", q.Page)
	}
	_, err := parsePath(q.JSON)
	return err
}

// recorded reports whether the value is recorded.
func (q Question) recorded() bool { return q.JSON != "" && q.Has == "" && q.Equals == "" }

// Expand gives the question with its templates written out. Text is called with
// where a template stands ("page", "has", "equals") and the template.
func (q Question) Expand(text func(where, template string) (string, error)) (Question, error) {
	var err, err2, err3 error
	q.Page, err = text("page", q.Page)
	q.Has, err2 = text("has", q.Has)
	q.Equals, err3 = text("equals", q.Equals)
	return q, errors.Join(err, err2, err3)
}

// A Server is one that is asked: its base URL, and how its pages are reached. A
// key goes to the base's host alone, whatever host a page is on.
type Server struct {
	Base   string
	Access trust.Access
}

// Ask asks all questions of a server, and tells every answer that is not the
// expected one: nil is the right server. It said the values that questions name
// by JSON and expect nothing of.
func Ask(ctx context.Context, of Server, all []Question) (said string, err error) {
	var faults []error
	var values []string
	for _, q := range all {
		value, err := q.ask(ctx, of)
		if err == nil && q.recorded() && !slices.Contains(values, value) {
			values = append(values, value)
		}
		faults = append(faults, err)
	}
	return strings.Join(values, ", "), errors.Join(faults...)
}

// A Known server is asked again and again. The zero value was not asked yet. It is safe
// for concurrent use.
type Known struct {
	mu    sync.Mutex
	asked bool
	said  string
}

// Ask is [Ask], and faults a server that says something else than it did.
func (k *Known) Ask(ctx context.Context, of Server, all []Question) error {
	said, err := Ask(ctx, of, all)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asked && said != k.said {
		return fmt.Errorf("identity: it said %s before, and says %s: it is another server", brief(k.said), brief(said))
	}
	k.asked, k.said = true, said
	return nil
}

// Version is a version that is known otherwise with what the server said; empty if there
// is neither.
func (k *Known) Version(known string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known != "" && k.said != "" {
		known += ", "
	}
	return known + k.said
}

// maxAnswer bounds what is read of a page, maxValue what a value is that is recorded.
const (
	maxAnswer = 4 << 20
	maxValue  = 200
)

// ask gives the value that was asked for.
func (q Question) ask(ctx context.Context, of Server) (string, error) {
	page := q.Page
	if strings.HasPrefix(page, "/") {
		page = strings.TrimRight(of.Base, "/") + page
	}
	body, err := of.get(ctx, page)
	if err != nil {
		return "", fmt.Errorf("identity: ask %s: %w", page, err)
	}
	value := string(body)
	if q.JSON != "" {
		path, err := parsePath(q.JSON)
		if err != nil {
			return "", err
		}
		if value, err = path.find(body); err != nil {
			return "", fmt.Errorf("identity: %s: %w; the answer was %s", page, err, brief(string(body)))
		}
		page += " " + q.JSON
	}
	if q.Equals != "" && !same(value, q.Equals) {
		return "", fmt.Errorf("identity: %s must be %q and is %s: it is another server, or was not made to fit", page, q.Equals, brief(value))
	}
	if q.Has != "" && !strings.Contains(value, q.Has) {
		return "", fmt.Errorf("identity: %s must hold %q; the answer was %s: it is another server, or was not made to fit", page, q.Has, brief(value))
	}
	if q.recorded() && len(value) > maxValue {
		return "", fmt.Errorf("identity: %s is longer than %d bytes, which is no version: %s", page, maxValue, brief(value))
	}
	return value, nil
}

// Send sends a request without a body to a page, whose answer's body the caller
// closes. It asks the very server of the URL: it obeys no proxy and follows no
// redirect, which may lead to another one. It keeps no connection, and the context
// bounds its time. The answer's status and Location, and the error, are one printable
// line without the key; the body, and an error of reading it, go through the credentials
// before they are told.
func (of Server) Send(ctx context.Context, method, page string) (a *http.Response, by trust.Credentials, err error) {
	base, err := url.Parse(of.Base)
	if err != nil {
		return nil, by, err
	}
	if by, err = of.Access.For(base); err != nil {
		return nil, by, err
	}
	q, err := http.NewRequestWithContext(ctx, method, page, nil)
	if err != nil {
		return nil, by, err
	}
	by.Sign(q)
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: by.TLS},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if a, err = client.Do(q); err != nil {
		return nil, by, by.Fault(err)
	}
	a.Status = by.Line(a.Status)
	if to := a.Header.Get("Location"); to != "" {
		a.Header.Set("Location", by.Line(to))
	}
	return a, by, nil
}

// get reads a page that answers 2xx.
func (of Server) get(ctx context.Context, page string) ([]byte, error) {
	a, by, err := of.Send(ctx, http.MethodGet, page)
	if fault, ok := errors.AsType[*url.Error](err); ok {
		return nil, fault.Err // it says the URL again
	}
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer+1))
	body = []byte(by.Hide(string(body)))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", by.Fault(err))
	case a.StatusCode >= 300 && a.StatusCode <= 399 && a.Header.Get("Location") != "":
		return nil, fmt.Errorf("it answers %s and points to %s, which is not followed; give that page if it is this server's", a.Status, brief(a.Header.Get("Location")))
	case a.StatusCode < 200 || a.StatusCode > 299:
		return nil, fmt.Errorf("it answers %s: %s", a.Status, brief(string(body)))
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)
	}
	return body, nil
}

// same compares as text and, where both are numbers, as numbers.
func same(got, want string) bool {
	if got == want {
		return true
	}
	a, okA := number(got)
	b, okB := number(want)
	return okA && okB && a.Cmp(b) == 0
}

// number reads a JSON number that is not absurdly long or large.
func number(text string) (*big.Float, bool) {
	if len(text) > 64 || !json.Valid([]byte(text)) || strings.Trim(text, "0123456789+-.eE") != "" {
		return nil, false
	}
	f, _, err := big.ParseFloat(text, 10, 256, big.ToNearestEven)
	return f, err == nil
}

// brief quotes the beginning of an answer.
func brief(text string) string {
	const most = 300
	if len(text) > most {
		return fmt.Sprintf("%q …", strings.ToValidUTF8(text[:most], "?"))
	}
	return fmt.Sprintf("%q", text)
}
