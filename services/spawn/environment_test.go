package spawn

import (
	"maps"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/services"
)

// A daemon of MPS that is none of ours, in CUDA's default folder, catches nothing
// that is to run on a device without MPS.
func TestNoForeignMPS(t *testing.T) {
	gpu := map[string]string{"CUDA_VISIBLE_DEVICES": "GPU-1"}
	mps := map[string]string{"CUDA_VISIBLE_DEVICES": "GPU-1", "CUDA_MPS_PIPE_DIRECTORY": "/run/mps"}
	for _, c := range []struct {
		name string
		on   device.Device
		env  map[string]string
		want string
	}{
		{"time-slicing", device.Device{UUID: "GPU-1", Env: gpu, Sharing: device.Sharing{Mode: device.TimeSlicing}}, nil, "/dev/null"},
		{"the driver's default", device.Device{UUID: "GPU-1", Env: gpu}, nil, "/dev/null"},
		{"env says otherwise", device.Device{UUID: "GPU-1", Env: gpu}, map[string]string{"CUDA_MPS_PIPE_DIRECTORY": "/own"}, "/own"},
		{"mps", device.Device{UUID: "GPU-1", Env: mps, Sharing: device.Sharing{Mode: device.MPS}}, nil, "/run/mps"},
		{"no device", device.Device{}, nil, ""},
	} {
		settings := Defaults
		settings.Env = c.env
		v := &Values{Instance: services.Instance{Device: c.on}}
		env, overridden, err := Read(settings).Environment(v, nil, c.on.Env)
		if err != nil || env["CUDA_MPS_PIPE_DIRECTORY"] != c.want || len(overridden) > 0 {
			t.Errorf("%s: %v, overridden %v, %v; want %q", c.name, env, overridden, err, c.want)
		}
	}
}

// Secrets are hidden in the logs line by line, as the lines come.
func TestHidden(t *testing.T) {
	t.Setenv("TEST_KEY", "-----BEGIN-----\r\nMIIEvQIBADANBg\nshort\n-----END KEY-----\n")
	t.Setenv("TEST_SHORT", "1234567")
	settings := Defaults
	settings.PassEnv = []string{"TEST_KEY", "TEST_SHORT"}
	want := map[string]string{"-----BEGIN-----": "[TEST_KEY]", "MIIEvQIBADANBg": "[TEST_KEY]", "-----END KEY-----": "[TEST_KEY]"}
	if got := Read(settings).hidden(); !maps.Equal(got, want) {
		t.Errorf("hidden() = %q, want %q", got, want)
	}
}

func TestSecretNames(t *testing.T) {
	for name, want := range map[string]bool{
		"HF_TOKEN": true, "hf_token": true, "API_KEY": true, "TOKENIZERS_PARALLELISM": false, "VLLM_LOGGING_LEVEL": false,
	} {
		if Secret(name) != want {
			t.Errorf("Secret(%q) is not %v", name, want)
		}
	}
}
