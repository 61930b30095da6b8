package spawn

import (
	"maps"
	"slices"
	"strings"
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
		"DB_PASSWD": true, "AWS_SECRET_KEY": true, "TLS_PRIVATE_KEY": true, "GOOGLE_CREDENTIALS": true, "SORT_KEY": false,
		"PGPASSWORD": true, "MYAPIKEY": true, "PASSWORD_FILE": false,
		"HF_TOKEN": true, "hf_token": true, "API_KEY": true, "TOKENIZERS_PARALLELISM": false, "VLLM_LOGGING_LEVEL": false,
	} {
		if Secret(name) != want {
			t.Errorf("Secret(%q) is not %v", name, want)
		}
	}
}

// Secrets are refused as arguments; what only sounds like one is not.
func TestCheckArgv(t *testing.T) {
	for text, want := range map[string]int{
		"vllm serve qwen --api-key sk-1":                    1,
		"vllm serve qwen --api-key=sk-1 --hf-token hf_1":    2,
		"python -m sglang --api_key sk-1":                   1,
		"llama-server -API-KEY {params.key}":                1,
		"llama-server --api-key-file /run/key --port 8":     0,
		"vllm serve --max-num-batched-tokens 8 --eos-token": 0,
		"vllm serve --api-key --port 8":                     0, // it has none
		"server --token":                                    0,
	} {
		argv := strings.Fields(text)
		got := CheckArgv(argv)
		if len(got) != want || slices.ContainsFunc(got, func(err error) bool { return strings.Contains(err.Error(), "sk-1") }) {
			t.Errorf("%s: %v, want %d faults and no secret in them", text, got, want)
		}
	}
}

// What a scenario names as a key's variable is a secret, whatever its name.
func TestWithoutNamedKeys(t *testing.T) {
	t.Setenv("EVABENCH_TEST_VLLM", "sk-sesame")
	settings := Defaults
	settings.Pages.APIKeyEnv = "EVABENCH_TEST_VLLM"
	_ = Read(settings).Check() // of what else is missing there
	all := []string{"PATH=/bin", "EVABENCH_TEST_VLLM=sk-sesame"}
	if got := WithoutSecrets(all, nil); !slices.Equal(got, all[:1]) {
		t.Errorf("got %v, want %v", got, all[:1])
	}
	if got := WithoutSecrets(all, []string{"EVABENCH_TEST_VLLM"}); !slices.Equal(got, all) {
		t.Errorf("passed: got %v, want %v", got, all)
	}
}

func TestWithoutSecrets(t *testing.T) {
	got := WithoutSecrets([]string{"PATH=/bin", "HF_TOKEN=a", "MY_API_KEY=b", "DOCKER_HOST=c"}, []string{"HF_TOKEN"})
	if want := []string{"PATH=/bin", "HF_TOKEN=a", "DOCKER_HOST=c"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
