package spawn

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/trust"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// checkEnv finds faults of env and pass_env.
func checkEnv(c Config) (faults []error) {
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		switch {
		case !variable.MatchString(name):
			faults = append(faults, fmt.Errorf("env: %q is no variable's name", name))
		case Secret(name) && c.Env[name] != "":
			faults = append(faults, fmt.Errorf("env.%s looks like a secret, which would stand in the results; set it in evabench's own environment and say pass_env: [%s]", name, name))
		}
	}
	for _, name := range c.PassEnv {
		if !variable.MatchString(name) {
			faults = append(faults, fmt.Errorf("pass_env: %q is no variable's name", name))
		}
	}
	return faults
}

// Secret reports whether a variable's name is such as secrets have.
func Secret(name string) bool {
	name = strings.ToUpper(name)
	for _, end := range []string{"TOKEN", "SECRET", "CREDENTIALS", "API_KEY", "ACCESS_KEY", "SECRET_KEY", "PRIVATE_KEY"} {
		if name == end || strings.HasSuffix(name, "_"+end) {
			return true
		}
	}
	for _, end := range []string{"PASSWORD", "PASSWD", "APIKEY"} { // PGPASSWORD
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// WithoutSecrets is an environment, as "NAME=value", without what looks like a
// secret by its name, or was read for a key of the scenario, and is not among those
// kept: for a program that needs most of ours, which cannot be listed.
func WithoutSecrets(environ, keep []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return (Secret(name) || trust.IsKey(name)) && !slices.Contains(keep, name)
	})
}

// secretFlag is an argument that names a secret: --api-key, --hf-token=….
var secretFlag = regexp.MustCompile(`^--?(api[-_]?key|token|(hf|api|auth|access|bearer)[-_]token|(client[-_])?secret|password)(=.*)?$`)

// CheckArgv refuses secrets among arguments, which stand in the results and in the
// list of processes. What a template gives stands in the scenario as well.
func CheckArgv(argv []string) (faults []error) {
	for i, text := range argv {
		flag, value, told := strings.Cut(text, "=")
		if !secretFlag.MatchString(strings.ToLower(text)) {
			continue
		}
		if !told && i+1 < len(argv) && !strings.HasPrefix(argv[i+1], "-") {
			value = argv[i+1]
		}
		if value != "" {
			faults = append(faults, fmt.Errorf("argv: %s tells a secret, which would stand in the results and in the list of processes; set a variable of evabench's environment and say pass_env: [VARIABLE] (vLLM takes VLLM_API_KEY, llama-server LLAMA_API_KEY, Hugging Face HF_TOKEN)", flag))
		}
	}
	return faults
}

// CheckPassed asks that every variable of pass_env is set.
func (s *Server) CheckPassed() error {
	var faults []error
	for _, name := range s.Config.PassEnv {
		if os.Getenv(name) == "" {
			faults = append(faults, fmt.Errorf("pass_env: %s is not set in evabench's environment", name))
		}
	}
	return errors.Join(faults...)
}

// mpsPipe is the variable by which CUDA finds an MPS daemon. Without it that is
// any daemon in /tmp/nvidia-mps, whoever started it for whatever device;
// NVIDIA's container runtime shows that folder to every container.
//
// noMPS holds no daemon anywhere: what cannot connect to one runs without MPS
// (nvidia-cuda-mps-control(1)).
const (
	mpsPipe = "CUDA_MPS_PIPE_DIRECTORY"
	noMPS   = os.DevNull
)

// Environment is what an instance is given: on a device without MPS that it has
// none, ours as far as passed names it, and PassEnv, then Env, then the device's
// variables, each over the one before. Overridden are the names of Env that the
// device's took.
func (s *Server) Environment(v *Values, passed []string, ofDevice map[string]string) (env map[string]string, overridden []string, err error) {
	env = map[string]string{}
	if d := v.Instance.Device; d.UUID != "" && !d.Sharing.IsMPS() {
		env[mpsPipe] = noMPS
	}
	for _, name := range slices.Concat(passed, s.Config.PassEnv) {
		if value, ok := os.LookupEnv(name); ok {
			env[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if env[name], err = s.Env[name].Expand(v.Of); err != nil {
			return nil, nil, fmt.Errorf("env.%s: %w", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ofDevice)) {
		if _, ok := s.Env[name]; ok && env[name] != ofDevice[name] {
			overridden = append(overridden, name)
		}
		env[name] = ofDevice[name]
	}
	return env, overridden, nil
}

// minHidden is how long a secret is at least to be hidden in logs: a shorter one
// would blot out common text.
const minHidden = 8

// hidden is what stands for the values of pass_env in logs, line by line: a key
// or a certificate has several.
func (s *Server) hidden() map[string]string {
	hide := map[string]string{}
	for _, name := range s.Config.PassEnv {
		for line := range strings.Lines(os.Getenv(name)) {
			if line = strings.TrimSpace(line); len(line) >= minHidden {
				hide[line] = "[" + name + "]"
			}
		}
	}
	return hide
}
