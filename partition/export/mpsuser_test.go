package export

import (
	"strings"
	"testing"
)

// TestMPSUser: whom the MPS daemons were measured with, they serve after a boot, and the
// workers run as that user: another's run without MPS, and say nothing.
func TestMPSUser(t *testing.T) {
	whole := golden{card: "rtx-pro-6000-96gb", layout: "off(mps)"}
	for _, c := range []struct {
		to    Target
		user  string
		file  int // where it is said
		wants []string
	}{
		{Systemd, "eva", 0, []string{" --yes --permanent --mps-user eva --env-dir ", `to systemd --mps-user eva` + "\n"}},
		{Systemd, "eva", 1, []string{"\nUser=eva\n", "serve the user eva alone"}},
		{Systemd, "1001", 1, []string{"\nUser=1001\n", "serve the user 1001 alone"}},
		{Systemd, "", 1, []string{"serve root alone", "gpu export … --mps-user NAME"}},
		{DockerCompose, "1001", 0, []string{"user: ${EVABENCH_UID:-1001}\n", "EVABENCH_UID (1001 unless set)"}},
		{DockerCompose, "", 0, []string{"user: ${EVABENCH_UID:-0}\n", "EVABENCH_UID (0 unless set)"}},
	} {
		in := input(t, whole)
		in.MPSUser = c.user
		files, _, err := Export(c.to, in)
		if err != nil {
			t.Fatal(err)
		}
		text := string(files[c.file].Data)
		for _, want := range c.wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s for user %q: %s does not say %q:\n%s", c.to, c.user, files[c.file].Name, want, text)
			}
		}
		if c.user == "" && (strings.Contains(text, "\nUser=") || strings.Contains(text, "apply --mps-user")) {
			t.Errorf("%s names a user, and none was asked for:\n%s", c.to, text)
		}
		if c.to == Systemd {
			if _, err := readUnit(text); err != nil {
				t.Errorf("%s for user %q: %v", files[c.file].Name, c.user, err)
			}
		}
	}
	for _, c := range []struct {
		to           Target
		layout, user string
		want         string
	}{
		{Systemd, "off", "eva", "the layout shares nothing through MPS"},
		{MIGParted, "off(mps)", "eva", "can be told for systemd and docker-compose alone"},
		{Kubernetes, "off(mps)", "eva", "can be told for systemd and docker-compose alone"},
		{DockerCompose, "off(mps)", "eva", "is no number"},
		{Systemd, "off(mps)", "eva\nExecStartPre=x", "is no name"},
	} {
		in := input(t, golden{card: "rtx-pro-6000-96gb", layout: c.layout})
		in.MPSUser = c.user
		if _, _, err := Export(c.to, in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s for user %q: %v, want %q", c.to, c.layout, c.user, err, c.want)
		}
	}
}
