package httpx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/evabench/evabench/internal/trust"
)

// maxPage bounds what is read of a page, in bytes.
const maxPage = 1 << 20

// URL is the whole address of a path of the server's.
func (c *Client) URL(path string) string { return c.Base.Scheme + "://" + c.host + c.prefix + path }

// Get reads a page as JSON, apart from any load: from the very server, without
// following where it points, over a connection of its own.
func (c *Client) Get(ctx context.Context, page string, fields []Field, into any) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	for _, f := range fields {
		q.Header.Set(f.Name, f.Value)
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: c.Dial}
	if c.secure != nil {
		t.TLSClientConfig = c.secure.Clone()
		t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	if c.proxy != nil {
		t.Proxy = http.ProxyURL(c.proxy)
	}
	client := http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := client.Do(q)
	if err != nil {
		return errors.New(trust.Hide(err.Error(), c.Secret))
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", page, a.StatusCode)
	}
	return json.NewDecoder(io.LimitReader(a.Body, maxPage)).Decode(into)
}
