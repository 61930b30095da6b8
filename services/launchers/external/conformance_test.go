package external

import (
	"context"
	"net/http"
	"os"
	"testing"

	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/launchertest"
)

func reach(ctx context.Context, url string) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	return a.Body.Close()
}

func TestConformance(t *testing.T) {
	launchertest.Run(t, launchertest.Subject{
		Instances: 2,
		New: func(t *testing.T) services.Launcher {
			return build(t, Config{Instances: []Instance{{URL: newServer(t).url}, {URL: newServer(t).url}}})
		},
		Reach: reach,
	})
}

// TestConformanceMortal is the same with commands that end a server and start it
// again.
func TestConformanceMortal(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	launchertest.Run(t, launchertest.Subject{
		Instances: 2,
		New: func(t *testing.T) services.Launcher {
			a, b := newServer(t), newServer(t)
			env := map[string]string{"SWITCHES": a.url + "=" + a.control + "," + b.url + "=" + b.control}
			return build(t, Config{
				Instances: []Instance{{URL: a.url}, {URL: b.url}},
				Crash:     Command{Argv: []string{exe, "switch", "off"}, Env: env},
				Revive:    Command{Argv: []string{exe, "switch", "on"}, Env: env},
			})
		},
		Reach:   reach,
		Crashes: []string{services.CrashKill},
	})
}
