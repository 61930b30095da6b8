package sim

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/launchertest"
)

func TestCrashes(t *testing.T) {
	h, _ := newTestHost(t)
	if _, err := h.Open("pro6000x1", 1); err != nil {
		t.Fatal(err)
	}
	launchertest.RunCrashes(t, launchertest.Subject{
		New: func(t *testing.T) services.Launcher {
			l, err := kind.Set[services.Launcher]{h.LauncherKind()}.Build(kind.Spec{Name: "sim"})
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
		Instances: 2, Owned: true, Model: "rt-detrv2",
		Reach: func(ctx context.Context, url string) error {
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/ping", nil)
			if err != nil {
				return err
			}
			a, err := http.DefaultClient.Do(q)
			if err != nil {
				return err
			}
			return a.Body.Close()
		},
		Crashes: []string{services.CrashFault, services.CrashKill},
	})
}

// crashed makes an instance end and gives who ended.
func (s *mpsServer) crashed(name, how string) []string {
	s.Helper()
	var ended []string
	if err := s.call(s.Context(), http.MethodPost, "/instances/"+name+"/crash", crashRequest{how}, &ended); err != nil {
		s.Fatal(err)
	}
	return ended
}

func (s *mpsServer) revive(name string) {
	s.Helper()
	if err := s.call(s.Context(), http.MethodPost, "/instances/"+name+"/revive", nil, nil); err != nil {
		s.Fatal(err)
	}
}

// A fault of one client of MPS ends all that share its daemon, and nobody else;
// a kill ends one, and so does a fault without MPS. All of them come back as
// clients.
func TestFaultUnderMPSEndsAllClients(t *testing.T) {
	s := startMPS(t, "off(mps)")
	for _, name := range []string{"a", "b", "c"} {
		if err := s.start(name, s.device.Env); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.start("alone", nil); err != nil { // without MPS
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, how string
		want      []string
		clients   int
	}{
		{"b", services.CrashKill, []string{"b"}, 2},
		{"alone", services.CrashFault, []string{"alone"}, 3},
		{"b", services.CrashFault, []string{"b", "a", "c"}, 0},
	} {
		if ended := s.crashed(c.name, c.how); !slices.Equal(ended, c.want) {
			t.Errorf("%s of %s ends %v, want %v", c.how, c.name, ended, c.want)
		}
		if now := s.count(); len(now.MPS) != c.clients || len(now.Processes) != 4-len(c.want) {
			t.Errorf("after the %s of %s: %+v", c.how, c.name, now)
		}
		for _, name := range c.want {
			s.revive(name)
		}
		if now := s.count(); len(now.MPS) != 3 || len(now.Processes) != 4 {
			t.Errorf("with %v again: %+v", c.want, now)
		}
	}
}

// While an instance is gone its address is nobody else's: connections are
// refused, and none gets its port.
func TestPortIsHeldForTheRevival(t *testing.T) {
	s := startMPS(t, "off(mps)")
	r := visionRequest("a", 1)
	r.Device, r.Env = s.device.UUID, s.device.Env
	info, err := s.launch(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	s.crashed("a", services.CrashKill)
	address := strings.TrimPrefix(info.URL, "http://")
	if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
		c.Close()
		t.Error("somebody listens")
	}
	ours, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	d := net.Dialer{LocalAddr: ours} // as if the kernel had chosen it
	if c, err := d.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("a connection got the port")
	}
	if _, err := s.launch(t.Context(), r); err == nil || !strings.Contains(err.Error(), "made to end") {
		t.Errorf("an instance of its name was launched: %v", err)
	}
	s.revive("a")
	if err := s.controlClient.stop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.launch(t.Context(), r); err != nil {
		t.Errorf("after the stop: %v", err)
	}
}

// The server's own counts go on over an end: they are a counter's.
func TestCountsGoOnOverACrash(t *testing.T) {
	c, _ := start(t, Options{})
	info, err := c.launch(t.Context(), visionRequest("a", 1))
	if err != nil {
		t.Fatal(err)
	}
	finished := func() int64 {
		var now counts
		if err := c.call(t.Context(), http.MethodGet, "/counts", nil, &now); err != nil {
			t.Fatal(err)
		}
		return now.Instances["a"].Finished
	}
	frame := jpegFrame(t, 64, 64, 1)
	ask := func() {
		a, err := http.Post(info.URL+"/predictions/rt-detrv2", "image/jpeg", bytes.NewReader(frame))
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
	}
	ask()
	if n := finished(); n != 1 {
		t.Fatalf("%d finished", n)
	}
	if err := c.call(t.Context(), http.MethodPost, "/instances/a/crash", crashRequest{services.CrashKill}, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.call(t.Context(), http.MethodPost, "/instances/a/revive", nil, nil); err != nil {
		t.Fatal(err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	ask()
	if n := finished(); n != 2 {
		t.Errorf("%d finished, want 2", n)
	}
}
