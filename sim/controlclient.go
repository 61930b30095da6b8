package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/evabench/evabench/results"
)

// A controlClient speaks to a simulated server's control interface.
type controlClient struct {
	base, token string
	http        *http.Client
}

func newControlClient(base, token string) controlClient {
	return controlClient{base: base, token: token, http: &http.Client{Transport: &http.Transport{}}}
}

func (c controlClient) close() {
	if c.http != nil {
		c.http.CloseIdleConnections()
	}
}

// call makes one call; in and out may be nil.
func (c controlClient) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("simulated server: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("simulated server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("simulated server: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("simulated server: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(answer)))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("simulated server: %w", err)
	}
	return nil
}

func (c controlClient) launch(ctx context.Context, r startRequest) (i results.Instance, err error) {
	err = c.call(ctx, http.MethodPost, "/instances", r, &i)
	return i, err
}

func (c controlClient) stop(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/instances/"+url.PathEscape(name), nil, nil)
}
