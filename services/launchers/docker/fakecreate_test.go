package docker

import (
	"encoding/csv"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// createFlags are those of "docker create" that the fake knows, each of which
// has a value.
var createFlags = []string{
	"--name", "--log-driver", "--label", "--env", "--gpus", "--device", "--network", "--publish", "--ipc", "--shm-size",
	"--pull", "--memory", "--memory-swap", "--cpuset-cpus", "--user", "--volume", "--workdir", "--entrypoint",
}

var (
	containerName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)
	byteSize      = regexp.MustCompile(`^[0-9]+([bkmgtBKMGT])?$`)
)

// create makes a container; the caller holds mu.
func (f *fake) create(asked call) (string, error) {
	b := &box{flags: map[string][]string{}, labels: map[string]string{}, state: state{Status: "created"}}
	rest := asked.Args[1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		name, value, joined := strings.Cut(rest[0], "=")
		rest = rest[1:]
		if !slices.Contains(createFlags, name) {
			return "", fmt.Errorf("unknown flag: %s", name)
		}
		if !joined {
			if len(rest) == 0 {
				return "", fmt.Errorf("flag needs an argument: %s", name)
			}
			value, rest = rest[0], rest[1:]
		}
		if err := checkFlag(name, value); err != nil {
			return "", err
		}
		b.flags[name] = append(b.flags[name], value)
	}
	if len(rest) == 0 {
		return "", fmt.Errorf(`"docker create" requires at least 1 argument.`)
	}
	m, ok := f.images[rest[0]]
	if !ok {
		return "", fmt.Errorf("Error: No such image: %s", rest[0])
	}
	if len(b.flags["--name"]) != 1 {
		return "", errors.New("the fake makes up no names")
	}
	b.image, b.args, b.name = m.ID, rest[1:], b.flags["--name"][0]
	if other := f.find(b.name); other != nil {
		return "", fmt.Errorf(`Error response from daemon: Conflict. The container name "/%s" is already in use by container "%s". You have to remove (or rename) that container to be able to reuse that name.`, b.name, other.id)
	}
	for _, label := range b.flags["--label"] {
		key, value, _ := strings.Cut(label, "=")
		b.labels[key] = value
	}
	for _, v := range b.flags["--env"] {
		if !strings.Contains(v, "=") {
			// Without a value it is that of the command's own environment.
			at := slices.IndexFunc(asked.Env, func(e string) bool { return strings.HasPrefix(e, v+"=") })
			if at < 0 {
				continue
			}
			v = asked.Env[at]
		}
		b.env = append(b.env, v)
	}
	b.id = fmt.Sprintf("%064x", len(f.calls))
	b.oomFile = filepath.Join(filepath.Dir(f.socket), "oom-"+b.name)
	f.containers[b.name] = b
	return b.id + "\n", nil
}

// checkFlag refuses values that docker refuses.
func checkFlag(name, value string) error {
	invalid := func(flag, why string) error {
		return fmt.Errorf("invalid argument %q for %q flag: %s", value, flag, why)
	}
	switch name {
	case "--name":
		if !containerName.MatchString(value) {
			return fmt.Errorf("Error response from daemon: Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", value)
		}
	case "--gpus":
		if _, err := gpuRequest(value); err != nil {
			return invalid("--gpus", err.Error())
		}
	case "--memory", "--memory-swap", "--shm-size":
		if !byteSize.MatchString(value) {
			return invalid(map[string]string{"--memory": "-m, --memory"}[name], fmt.Sprintf("invalid size: '%s'", value))
		}
	case "--publish":
		parts := strings.Split(value, ":")
		if len(parts) != 3 || parts[0] != "127.0.0.1" {
			return fmt.Errorf("the fake publishes on 127.0.0.1 only: %s", value)
		}
		if n, err := strconv.Atoi(parts[1]); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("invalid hostPort: %s", parts[1])
		}
		if parts[1] != parts[2] {
			return fmt.Errorf("the fake maps no ports: %s", value)
		}
	case "--volume":
		if parts := strings.Split(value, ":"); len(parts) < 2 || len(parts) > 3 || !filepath.IsAbs(parts[1]) {
			return fmt.Errorf("Error response from daemon: invalid volume specification: '%s'", value)
		}
	}
	return nil
}

// gpuRequest reads --gpus as docker's opts.GpuOpts does: as CSV.
func gpuRequest(value string) (devices []string, err error) {
	fields, err := csv.NewReader(strings.NewReader(value)).Read()
	if err != nil {
		return nil, err
	}
	for _, field := range fields {
		key, v, ok := strings.Cut(field, "=")
		switch {
		case !ok:
			if _, err := strconv.Atoi(field); err != nil && field != "all" {
				return nil, fmt.Errorf(`invalid count (%s): value must be either "all" or an integer: invalid syntax`, field)
			}
		case key == "device":
			devices = strings.Split(v, ",")
		default:
			return nil, fmt.Errorf("unexpected key '%s' in '%s'", key, field)
		}
	}
	if len(devices) == 0 {
		return nil, errors.New("the fake gives no device but by its UUID")
	}
	return devices, nil
}
