package external

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/launchertest"
)

func TestConformance(t *testing.T) {
	launchertest.Run(t, launchertest.Subject{
		Instances: 2,
		New: func(t *testing.T) services.Launcher {
			var c Config
			for range 2 {
				s := httptest.NewServer(http.NotFoundHandler())
				t.Cleanup(s.Close)
				c.Instances = append(c.Instances, Instance{URL: s.URL})
			}
			l, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
		Reach: func(ctx context.Context, url string) error {
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			a, err := http.DefaultClient.Do(q)
			if err != nil {
				return err
			}
			return a.Body.Close()
		},
	})
}
